import subprocess, sys
p = subprocess.Popen(["true"], stdin=subprocess.PIPE)
p.wait()
try:
    p.stdin.write(b"x" * 100000)
    p.stdin.flush()
except BrokenPipeError as e:
    print(e)
print(subprocess.run("yes | head -1; python3 -c 'print(1)'", shell=True, capture_output=True))
