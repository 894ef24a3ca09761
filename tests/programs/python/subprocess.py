import subprocess, sys
print(subprocess.run(["echo", "hi"], capture_output=True, text=True))
print(subprocess.run([sys.executable, "-c", "import sys; print(sys.argv, sys.flags.no_site); sys.exit(4)", "a"], stdout=subprocess.PIPE))
try:
    subprocess.run("exit 3", shell=True, check=True)
except subprocess.CalledProcessError as e:
    print(e)
p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(p.communicate(b"through cat"))
sys.stdout.flush()
subprocess.call("cat; echo err >&2; ls /proc/self/fd | wc -l", shell=True)
try:
    subprocess.run(["no-such-program"])
except FileNotFoundError as e:
    print(e)
import os
print(os.system("exit 2") >> 8, os.popen("echo popen").read())
