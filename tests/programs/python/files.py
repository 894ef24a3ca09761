import os, pathlib, shutil, tempfile, glob
with open("a.txt", "w") as f:
    f.write("line 1\nline 2\n")
print(open("a.txt").readlines(), os.path.exists("nope"), sorted(os.listdir(".")), pathlib.Path("a.txt").stat().st_size)
os.makedirs("d/e"); shutil.move("a.txt", "d/e/b.txt"); print(glob.glob("**/*.txt", recursive=True), pathlib.Path("d/e/b.txt").resolve())
with tempfile.TemporaryDirectory() as t:
    print(t.startswith("/tmp"))
shutil.rmtree("d")
try:
    open("/root/secret")
except OSError as e:
    print(type(e).__name__)
open("nope.txt")
