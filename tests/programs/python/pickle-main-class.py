import pickle, copy
class Point:
    def __init__(self, x): self.x = x
    def __eq__(self, o): return self.x == o.x
p = Point(3)
print(pickle.loads(pickle.dumps(p)) == p, copy.deepcopy(p) == p, b"__main__" in pickle.dumps(p))
