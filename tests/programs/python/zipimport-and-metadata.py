import sys, importlib.metadata, site
print("site" in sys.modules, site.getsitepackages() == [p for p in site.getsitepackages()], sys.flags.no_user_site)
print([n for n in sorted(sys.modules) if n.startswith("_distutils") or n in ("apport_python_hook", "encodings.utf_8")])
