import locale, sys
print(locale.getlocale(), locale.getpreferredencoding(), sys.stdout.encoding, locale.setlocale(locale.LC_ALL, ""))
