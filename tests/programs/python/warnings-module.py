import warnings
warnings.warn("careful")
def old():
    warnings.warn("old is deprecated", DeprecationWarning, stacklevel=2)
old()
warnings.simplefilter("error")
try:
    old()
except DeprecationWarning as e:
    print("raised", e)
print(1 is 1)
