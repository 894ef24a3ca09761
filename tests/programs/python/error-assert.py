total = sum([1, 2])
assert total == 4, f"expected 4, got {total}"
