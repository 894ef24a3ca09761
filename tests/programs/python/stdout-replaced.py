import contextlib, io, os, sys
buf = io.StringIO()
with contextlib.redirect_stdout(buf):
    print("captured")
print(repr(buf.getvalue()))
saved = os.dup(1)
sys.stdout.flush()
os.dup2(os.open("out.txt", os.O_WRONLY | os.O_CREAT), 1)
print("to a file", flush=True)
os.dup2(saved, 1)
print(open("out.txt").read())
sys.stdout = open(1, "w", encoding="utf-16", closefd=False)
print("utf-16")
