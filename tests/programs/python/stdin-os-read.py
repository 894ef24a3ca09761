import io
import os
import sys
data = io.BytesIO(os.read(0, os.fstat(0).st_size or 65536))
print(data.readline(), data.read())
print(repr(sys.stdin.read()), sys.stdin.fileno(), sys.stdin.isatty())
