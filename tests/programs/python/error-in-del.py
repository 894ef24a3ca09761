import sys
class Bad:
    def __del__(self):
        raise ValueError("ignored")
sys.unraisablehook = lambda u: print(u.exc_type.__name__, u.exc_value, u.object.__qualname__)
x = Bad()
del x
print("after")
