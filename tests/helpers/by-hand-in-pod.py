"""Runs many programs by hand, one after the other, each as by-hand.py does: a line of JSON each, in and out. Every one finds /tmp empty."""
import json, os, shutil, signal, subprocess, sys

by_hand = sys.argv[1]
for line in sys.stdin:
    done = subprocess.run([sys.executable, "-I", "-S", "-c", by_hand], input=line.encode(), stdout=subprocess.PIPE, start_new_session=True)
    print(done.stdout.decode() or json.dumps({"stdout": "", "stderr": "", "status": 255}), flush=True)
    for name in os.listdir("/tmp"):
        path = os.path.join("/tmp", name)
        shutil.rmtree(path, ignore_errors=True) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
