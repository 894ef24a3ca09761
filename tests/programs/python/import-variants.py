from __future__ import annotations
import os.path as p, sys
from math import *
print(p.join("a", "b"), floor(2.5), pi)
import importlib.util
print(importlib.util.find_spec("json").name, importlib.util.find_spec("nope"), "antigravity" in sys.modules)
import this
