class Bad:
    def __del__(self):
        raise ValueError("ignored")
    def __repr__(self):
        return "<Bad>"
Bad.__del__.__qualname__
x = Bad()
del x
print("after")
