from decimal import Decimal, getcontext
from fractions import Fraction
import math, statistics, cmath, random
getcontext().prec = 30
print(Decimal(1) / Decimal(7), Fraction(3, 6) + Fraction(1, 3), math.factorial(30), math.comb(10, 3), math.isqrt(99), statistics.stdev([1, 2, 3, 4]), cmath.sqrt(-1))
random.seed(42)
print(random.random(), random.randint(1, 100), random.sample(range(50), 5), random.choice("abc"))
r = random.Random("seed")
l = list(range(8)); r.shuffle(l); print(l)
print(pow(3, 1000, 7), math.gcd(12, 18), (255).to_bytes(2, "big"), math.nan == math.nan, float.hex(0.1))
try:
    str(10 ** 5000)
except ValueError as e:
    print(e)
