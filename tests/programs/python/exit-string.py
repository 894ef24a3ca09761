import sys
print("before")
sys.exit("this goes to stderr")
