import sys, threading
sys.setrecursionlimit(300000)
threading.stack_size(256 * 1024 * 1024)
def depth(n):
    return 0 if n == 0 else 1 + depth(n - 1)
def main():
    print(depth(50000))
t = threading.Thread(target=main)
t.start()
t.join()
