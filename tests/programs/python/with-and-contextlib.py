from contextlib import contextmanager, ExitStack, suppress
@contextmanager
def tag(name):
    print(f"<{name}>")
    try:
        yield name.upper()
    finally:
        print(f"</{name}>")
with tag("a") as a, tag("b"):
    print(a)
with suppress(ZeroDivisionError), tag("c"):
    1 / 0
with ExitStack() as stack:
    [stack.enter_context(tag(str(i))) for i in range(2)]
