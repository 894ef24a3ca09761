import random
print(random.VALUE, random.__file__)
import string
print(string.VALUE)
