def level(n):
    if n == 0:
        raise OverflowError(
            "the message "
            "in two parts"
        )
    return [level(n - 1) for _ in range(1)]
level(3)
