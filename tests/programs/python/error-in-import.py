from helper import compute
print(compute(4))
print(compute(0))
