def ping(n):
    if n:
        return ping(n - 1)
    return 1 + "a"
ping(20)
