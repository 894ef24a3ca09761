x = bytearray(100 * 1024 * 1024)
print(len(x), sum(x[::4096]))
