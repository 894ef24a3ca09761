import sys, argparse
print(sys.argv, len(sys.argv))
p = argparse.ArgumentParser(description="A test")
p.add_argument("name")
p.add_argument("-n", "--count", type=int, default=1)
p.add_argument("--flag", action="store_true")
print(p.parse_args(sys.argv[1:4]))
p.parse_args(["--count", "x"])
