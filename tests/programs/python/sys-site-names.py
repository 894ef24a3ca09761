import builtins, sys
print(sorted(dir(builtins)))
print(sys.stdout, sys.stderr, sys.stdin, sep="\n")
print(sys.displayhook, sys.breakpointhook, sys.unraisablehook)
