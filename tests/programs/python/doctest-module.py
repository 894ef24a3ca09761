"""
>>> add(1, 2)
3
>>> add(2, 2)
5
"""
def add(a, b):
    """
    >>> add(0, 0)
    0
    """
    return a + b
import doctest
print(doctest.testmod())
