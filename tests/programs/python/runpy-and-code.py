import runpy, code, types
open("script.py", "w").write("print(__name__, __file__)\nX = 1\n")
print(runpy.run_path("script.py")["X"])
m = types.ModuleType("dynamic")
exec("def f(): return __name__", m.__dict__)
print(m.f(), code.InteractiveInterpreter({}).runsource("1 + 1"))
