import threading, time
def later():
    time.sleep(0.03)
    print("thread ends last")
threading.Thread(target=later).start()
print("main ends")
