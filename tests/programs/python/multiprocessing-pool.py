from multiprocessing import Pool, Process, Queue, Value
def square(x):
    return x * x
def child(q, v):
    v.value += 5
    q.put("from child")
if __name__ == "__main__":
    with Pool(2) as pool:
        print(pool.map(square, range(6)))
    q, v = Queue(), Value("i", 1)
    p = Process(target=child, args=(q, v))
    p.start()
    print(q.get())
    p.join()
    print(p.exitcode, v.value)
