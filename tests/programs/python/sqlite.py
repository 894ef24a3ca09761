import sqlite3
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values (?, ?)", [(1, "x"), (2, None)])
print(db.execute("select * from t order by a desc").fetchall())
with sqlite3.connect("file.db") as f:
    f.execute("create table u(c)")
try:
    db.execute("select nope")
except sqlite3.OperationalError as e:
    print(e)
