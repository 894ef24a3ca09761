import sys
def hook(kind, value, tb):
    print("hooked", kind.__name__, value, tb.tb_lineno, tb.tb_next)
sys.excepthook = hook
print(sys.__excepthook__)
raise KeyError("k")
