"""The docstring
of this program."""
x: int = 1
print(__doc__, __annotations__)
if __name__ == "__main__":
    print("as a script")
