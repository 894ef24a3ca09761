import faulthandler, sys
with open("dump.txt", "w+") as dump:
    faulthandler.dump_traceback(dump)
    dump.seek(0)
    print(dump.readlines()[1:])
print(faulthandler.is_enabled())
