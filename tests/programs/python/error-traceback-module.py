import sys, traceback
def f():
    g()
def g():
    raise LookupError("found nothing")
try:
    f()
except LookupError:
    traceback.print_exc()
    traceback.print_exc(file=sys.stdout)
    print(traceback.format_exc().count("\n"), len(traceback.extract_stack()))
print("".join(traceback.format_stack()))
import inspect
print([f.function for f in inspect.stack()], sys._getframe().f_back)
