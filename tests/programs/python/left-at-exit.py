import sys
def numbers():
    try:
        yield 1
    finally:
        print("generator closed")
class Node:
    def __init__(self, name):
        self.name, self.me = name, self
    def __del__(self):
        print("node", self.name)
async def never():
    pass
g = numbers()
print(next(g))
n = Node("cycle")
c = never()
print(sys.modules["__main__"].n is n, list(vars(sys.modules["__main__"]))[:9])
