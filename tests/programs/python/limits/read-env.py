import os
print(sorted(os.environ))
try:
    print(open("/proc/1/environ").read())
except OSError as e:
    print(type(e).__name__)
