import sys
import extra
print(extra.X, sys.path[:2])
