import sys
print(__name__, __file__, __doc__, __package__, __spec__, __builtins__ is sys.modules["builtins"])
print(sorted(k for k in globals()), __loader__.__class__.__name__, __annotations__ if "__annotations__" in globals() else "none")
print(sys.modules["__main__"].__dict__ is globals(), sys.path[0], sys.argv, sys.flags.isolated, sys.orig_argv[1:] if len(sys.orig_argv) > 1 else None)
import __main__
print(__main__, vars() is globals(), locals() is globals(), __loader__.name if hasattr(__loader__, "name") else "", __cached__)
