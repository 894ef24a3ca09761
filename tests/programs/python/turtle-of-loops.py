n = 5
for i in range(n):
    print(" " * (n - i - 1) + "*" * (2 * i + 1))
matrix = [[i * j for j in range(1, 4)] for i in range(1, 4)]
print(*("\t".join(map(str, row)) for row in matrix), sep="\n")
i = 0
while True:
    i += 1
    if i % 2: continue
    if i > 6: break
    print(i)
