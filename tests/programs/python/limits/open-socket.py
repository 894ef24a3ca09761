import socket
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK):
    try:
        socket.socket(family, socket.SOCK_STREAM)
        print("opened", family)
    except OSError as e:
        print(type(e).__name__)
