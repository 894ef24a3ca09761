import locale, sys, time
print(locale.getlocale(), locale.getpreferredencoding(False), sys.flags.utf8_mode, sys.getdefaultencoding(), locale.localeconv()["decimal_point"], time.strftime("%B", time.gmtime(0)))
print(locale.setlocale(locale.LC_ALL), open("x", "w").encoding)
