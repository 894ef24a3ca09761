import os
print(os.environ["GREETING"], os.getenv("MISSING"), os.environ.get("EMPTY") == "", os.environ["UNI"])
print(list(os.environ), os.path.expanduser("~"), os.environb[b"UNI"])
os.environ["NEW"] = "5"
import subprocess
print(subprocess.run(["sh", "-c", "echo $NEW $GREETING; env | grep -c ."], capture_output=True, text=True).stdout)
