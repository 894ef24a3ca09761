import threading, queue
from concurrent.futures import ThreadPoolExecutor
lock, total, q = threading.Lock(), 0, queue.Queue()
def add():
    global total
    for _ in range(1000):
        with lock:
            total += 1
ts = [threading.Thread(target=add) for _ in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
print(total, threading.Thread().name, threading.get_ident() == threading.main_thread().ident)
with ThreadPoolExecutor(3) as ex:
    print(list(ex.map(lambda x: x * 2, range(5))))
threading.Thread(target=lambda: print("daemon"), daemon=True).start()
threading.Timer(0.01, print, ["timer"]).start()
