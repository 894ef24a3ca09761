import sys
try:
    sys.exit("caught")
except SystemExit as e:
    print("code", repr(e.code))
sys.exit(7)
