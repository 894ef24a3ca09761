for path in ("/x", "/usr/x", "/etc/x", "/opt/x", "/dev/x"):
    try:
        open(path, "w")
        print("wrote", path)
    except OSError as e:
        print("refused")
