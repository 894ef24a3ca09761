"""Runs one program as somebody at a terminal would, with pipes for its stdio: the other side of the comparison in programs.test.ts.

A job comes as JSON on stdin: {command, file, code, stdin, env, files, folder}; the answer is JSON on stdout. Node could not do this itself: the
pipes that it gives to children are sockets, and programs can tell.
"""
import base64, json, os, subprocess, sys

job = json.load(sys.stdin)
os.makedirs(job["folder"])
os.chdir(job["folder"])
for file in [*job["files"], {"name": job["file"], "content": job["code"], "encoding": "utf8"}]:
    os.makedirs(os.path.dirname(file["name"]) or ".", exist_ok=True)
    with open(file["name"], "wb") as out:
        out.write(file["content"].encode() if file["encoding"] == "utf8" else base64.b64decode(file["content"]))
program = subprocess.Popen(job["command"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=job["env"])
stdout, stderr = program.communicate(job["stdin"].encode())
json.dump({"stdout": base64.b64encode(stdout).decode(), "stderr": base64.b64encode(stderr).decode(), "status": program.returncode}, sys.stdout)
