import multiprocessing as mp
def work(n):
    return n + 1
if __name__ == "__main__":
    ctx = mp.get_context("spawn")
    with ctx.Pool(1) as pool:
        print(pool.map(work, [1, 2]))
