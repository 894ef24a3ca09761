import package
from package.deep import thing
from package import sibling as s
import util, importlib
print(package.__file__, thing.NAME, s.value(), util.__name__, util.MAIN)
print(importlib.import_module("util") is util, importlib.reload(util) is util, util.__cached__, package.__path__)
with open("data.txt") as f:
    print(f.read().strip())
