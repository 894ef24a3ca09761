"""Holds `python3 main.py` at the end of its start-up until there is a main.py. The interpreter itself opens and runs it then, so the program behaves
exactly as if started by hand: no frame, module or object of ours is left. `site` imports this module last of all, by PYTHONPATH.

Where fd 3 is a socket, this process is the nursery of the nested tier (images/agent/nursery.py): it never runs a program itself, and each guest is a fork of it
that goes on from here.
"""
import os
import stat
import sys


def nurse():
    """Returns in a guest, with what must be done with a program that has to be started anew; None where there is no nursery."""
    if not stat.S_ISSOCK(os.fstat(3).st_mode):
        return None
    path = os.path.join(os.path.dirname(__file__), "..", "..", "agent", "nursery.py")
    with open(path, "rb") as source:
        names = {"__name__": "nursery"}
        exec(compile(source.read(), path, "exec"), names)
    names["serve"]()
    return names["become"]


def wait(become):
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
    if become:
        if "command" in program:
            become(program["path"], program["command"], program["env"])
        os.close(4)
        become.__globals__.clear()  # functions and their globals hold each other: without this they would stay until a collection
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
wait(nurse())
freeze()
globals().clear()  # for the same reason
# The import system forgets a module that fails, and `site` passes over this very failure as over a usercustomize that does not exist.
raise ImportError(name="usercustomize")
