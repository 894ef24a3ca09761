import subprocess, sys
open("other.py", "w").write("import sys\nprint(__name__, sys.argv, sys.path[0], sys.stdin.read())\n1/0\n")
r = subprocess.run([sys.executable, "other.py", "x"], input="in", capture_output=True, text=True)
print(r.stdout, r.stderr, r.returncode)
