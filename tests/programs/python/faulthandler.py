import faulthandler, sys
faulthandler.dump_traceback()
print(faulthandler.is_enabled())
