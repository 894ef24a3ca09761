import sys
print([m for m in ("sitecustomize", "usercustomize", "warm", "ctypes", "asyncio") if m in sys.modules])
print("json" in globals(), "os" in globals())
try:
    json.dumps
except NameError as e:
    print(e)
