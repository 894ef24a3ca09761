import itertools
def fib():
    a, b = 0, 1
    while True:
        yield a
        a, b = b, a + b
def echo():
    try:
        while True:
            got = yield
            print("got", got)
    finally:
        print("closed")
print(list(itertools.islice(fib(), 10)), sum(x * x for x in range(5)))
g = echo(); next(g); g.send(1); g.close()
def outer():
    r = yield from inner()
    print("r", r)
def inner():
    yield 1
    return 2
print(list(outer()), {k: v for k, v in zip("ab", [1, 2])}, [*map(str, {3, 1, 2})] == ["1", "2", "3"])
print(list(itertools.permutations("abc", 2))[:3], list(itertools.accumulate([1, 2, 3])), list(itertools.groupby("aab"))[0][0])
first, *rest = range(4)
print(first, rest, (n := 5) + n)
