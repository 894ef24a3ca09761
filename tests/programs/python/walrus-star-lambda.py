def f(a, /, b, *args, c=3, **kw): return a, b, args, c, kw
print(f(1, 2, 3, c=4, d=5), (lambda *a: a)(1), f.__defaults__, f.__kwdefaults__)
x = 10
def outer():
    x = 1
    def inner():
        nonlocal x
        x += 1
        return x
    return inner(), x
print(outer(), x, [i for i in range(3) if (y := i) > 0], y)
for i in range(3):
    pass
else:
    print("else", i)
print(sorted("banana", key=lambda c: (-ord(c), c)), "".join(reversed("abc")), [[0] * 2 for _ in range(2)], 7 // -2, -7 % 3, divmod(7, 2))
print(0.1 + 0.2, 1e16, 1e-7, 2 ** 100, 10 ** 20, float("inf"), round(2.5), int("ff", 16), bin(10), 3 + 4j, 1_000, True + True)
exec("z = 5"); print(eval("z + 1"), compile("1", "<s>", "eval").co_filename)
