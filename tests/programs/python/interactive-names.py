print(__name__ == "__main__", "_" in dir())
import builtins
print(hasattr(builtins, "_"), copyright.__class__.__name__, type(license).__name__, help)
print(sorted(globals().keys() - {"builtins"}))
