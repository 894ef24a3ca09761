import os
import sys
print("buffered")
os.write(1, b"unbuffered first\n")
sys.stderr.write("error line\n")
sys.stdout.flush()
os.write(2, b"raw error\n")
print("encoding", sys.stdout.encoding, sys.stdout.errors, sys.stderr.errors, sys.stdin.encoding, sys.stdout.line_buffering, sys.stdout.isatty())
