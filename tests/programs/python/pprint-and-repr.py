import pprint, reprlib
pprint.pprint({"k" * 20: list(range(30)), "b": {"c": ("x" * 50, "y" * 50)}})
a = []; a.append(a); print(a, reprlib.repr(list(range(100))))
class R:
    def __repr__(self): return "R()"
    def __format__(self, spec): return f"formatted {spec}"
print([R()], f"{R():abc}", f"{R()!r}", str(R()))
help(len)
