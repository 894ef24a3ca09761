e = ValueError("inner")
e.add_note("a note\nof two lines")
raise ExceptionGroup("several", [e, ExceptionGroup("nested", [TypeError("t"), OSError(2, "No such file", "x.txt")])])
