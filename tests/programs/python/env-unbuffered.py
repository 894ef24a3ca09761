import os, sys
print("one")
os.write(1, b"two\n")
print(sys.flags.hash_randomization, hash("x") == hash("x"), sys.dont_write_bytecode)
