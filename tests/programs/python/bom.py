print("byte order mark")
