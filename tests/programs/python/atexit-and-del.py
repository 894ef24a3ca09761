class Noisy:
    def __del__(self):
        print("deleted", self.name)
a = Noisy(); a.name = "a"
b = Noisy(); b.name = "b"
del a
import sys
sys.exit(0)
