import json, re, collections, math, itertools
print([m.__file__ if hasattr(m, "__file__") else None for m in (json, re, collections)], json.VALUE)
