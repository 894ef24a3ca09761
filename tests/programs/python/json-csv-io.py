import json, csv, io, pickle, base64, hashlib, zlib, struct, configparser
print(json.dumps({"b": [1, None, True], "a": "é", 3: 1.5}, sort_keys=False), json.dumps({"x": {"y": []}}, indent=2), json.loads('{"a": NaN}'))
try:
    json.loads("{bad}")
except json.JSONDecodeError as e:
    print(e)
w = csv.writer(io.StringIO()); b = io.StringIO(); csv.writer(b).writerows([["a", "b,c"], [1, 'q"']]); print(repr(b.getvalue()))
print(list(csv.DictReader(io.StringIO("x,y\n1,2\n"))), pickle.loads(pickle.dumps({1: {2}})), base64.b64encode(b"hi"), hashlib.sha256(b"abc").hexdigest()[:16], zlib.crc32(b"x"), struct.pack("<IH", 1, 2))
