from concurrent.futures import ProcessPoolExecutor
def bad(x):
    raise ValueError(f"bad {x}")
if __name__ == "__main__":
    with ProcessPoolExecutor(1) as ex:
        try:
            ex.submit(bad, 3).result()
        except ValueError as e:
            print(e, type(e.__cause__).__name__)
