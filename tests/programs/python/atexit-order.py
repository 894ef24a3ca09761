import atexit
atexit.register(print, "registered first, runs last")
@atexit.register
def second():
    print("runs first")
@atexit.register
def failing():
    raise ValueError("in atexit")
print("main")
