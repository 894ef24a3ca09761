import sys
input = sys.stdin.readline
t = int(input())
out = []
for _ in range(t):
    a, b = map(int, input().split())
    out.append(str(a * b))
sys.stdout.write("\n".join(out) + "\n")
