import sys, os
print(sys.path[1:], sys.prefix == sys.base_prefix, sys.flags, sys.warnoptions, sys._xoptions, sys.dont_write_bytecode)
print(sys.stdin.name, sys.stdout.name, sys.stderr.name, os.getcwd(), sys.executable, sys.getfilesystemencoding(), sys.pycache_prefix)
print([type(f) for f in sys.meta_path], sys.path_hooks[0].__class__, sys.getswitchinterval(), sys.gettrace(), sys.getprofile(), len(sys.path_importer_cache) > 0)
import gc
print(gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.get_debug())
import threading
print(threading.current_thread(). name, threading.active_count(), threading.main_thread() is threading.current_thread())
