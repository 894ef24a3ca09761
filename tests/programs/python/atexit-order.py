import atexit
atexit.register(print, "registered first, runs last")
@atexit.register
def second():
    print("runs first")
class Failing:
    def __call__(self):
        raise ValueError("in atexit")
    def __repr__(self):
        return "<failing>"
atexit.register(Failing())
print("main")
