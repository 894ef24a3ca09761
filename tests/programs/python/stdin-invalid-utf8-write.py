import sys
text = sys.stdin.buffer.read()
sys.stdout.buffer.write(text[::-1])
