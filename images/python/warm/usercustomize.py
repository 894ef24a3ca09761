"""Holds `python3 main.py` at the end of its start-up until there is a main.py. The interpreter itself opens and runs it then, so the program behaves
exactly as if started by hand: no frame, module or object of ours is left. `site` imports this module last of all, by PYTHONPATH.
"""
import os
import sys


def wait():
    line = b""
    while not line.endswith(b"\n"):
        chunk = os.read(3, 65536)
        if not chunk:
            os._exit(0)  # nobody will bring a program
        line += chunk
    os.close(3)
    # JSON of strings, lists and objects is a Python literal too; the json module would stay behind in sys.modules.
    # The line comes from the agent, and whoever could forge it could run programs anyway.
    program = eval(line.decode().strip(), {"__builtins__": {}})
    sys.argv[1:] = program["args"]
    sys.orig_argv[2:] = program["args"]
    os.environ.update(program["env"])


def vanish():
    """Leaves the interpreter as if `site` had looked for a usercustomize and found none."""
    here = os.path.dirname(__file__)
    del os.environ["PYTHONPATH"]
    sys.path.remove(here)
    sys.path_importer_cache.pop(here, None)
    for finder in sys.meta_path:
        finder.find_spec("usercustomize", None)


def freeze():
    """Spares the collector the interpreter's own objects when it ends: a millisecond, a quarter of a small program. Only `gc` can tell, so not for
    programs that speak of it, or that bring more files than one.
    """
    with open(sys.argv[0], "rb") as program:
        if b"gc" in program.read() or os.listdir() != sys.argv[:1]:
            return
    import gc
    gc.freeze()
    del sys.modules["gc"]
    # The globals of the program are collected as ever, or a __del__ and a `finally` that wait for it would never run: so they live in a new __main__.
    main = type(sys)("__main__")
    vars(main).update(vars(sys.modules["__main__"]))
    sys.modules["__main__"] = main


vanish()
wait()
freeze()
globals().clear()  # functions and their globals hold each other: without this they would stay until a collection
# The import system forgets a module that fails, and `site` passes over this very failure as over a usercustomize that does not exist.
raise ImportError(name="usercustomize")
