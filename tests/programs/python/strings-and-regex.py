import re, string, textwrap, unicodedata, difflib
print(re.findall(r"(?P<y>\d{4})-(\d\d)", "2024-05 2023-11"), re.sub(r"\b(\w)", lambda m: m[1].upper(), "hello big world"), re.split(r"[,;]\s*", "a, b;c"))
print(textwrap.fill("The quick brown fox jumps", 10), string.Template("$a!").substitute(a=1), unicodedata.name("é"), "ß".casefold(), "a,b,,c".split(","))
print("%r %s" % ("it's", 'q"'), "abc".translate(str.maketrans("a", "x")), "x".join("abc"), "Title Case".swapcase(), "z".zfill(3), "ab".center(6, "*"))
print("\n".join(difflib.unified_diff(["a"], ["b"], lineterm="")))
try:
    re.compile("(")
except re.error as e:
    print(e)
