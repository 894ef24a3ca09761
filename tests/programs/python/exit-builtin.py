print(exit, quit, sep="\n")
exit(3)
