def f(x):
    match x:
        case 0 | 1: return "small"
        case int(n) if n < 0: return f"negative {n}"
        case [a, *rest]: return f"list {a} {rest}"
        case {"k": v, **others}: return f"map {v} {others}"
        case str() as s: return s.upper()
        case _: return "other"
print([f(x) for x in (0, -5, [1, 2], {"k": 1, "z": 2}, "s", 3.5)])
