from functools import lru_cache, reduce, partial, cache
@lru_cache(None)
def ways(n):
    return 1 if n < 2 else ways(n - 1) + ways(n - 2)
print(ways(300), ways.cache_info(), reduce(lambda a, b: a * b, range(1, 6)), partial(pow, 2)(5))
