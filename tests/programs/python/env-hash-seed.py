print(hash("abc"), list({"a", "b", "c", "d"}))
