f = open("x.txt", "w")
f.write("data")
import atexit
atexit.register(lambda: print(repr(open("x.txt").read())))
