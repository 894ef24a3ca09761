import inspect, linecache, dis
def sample(a, b=2):
    """Doc."""
    return a + b  # comment
print(inspect.getsource(sample), inspect.signature(sample), inspect.getfile(sample), inspect.getmodule(sample).__name__)
print(linecache.getline(__file__, 1), inspect.getdoc(sample), sample.__code__.co_filename, sample.__code__.co_firstlineno)
dis.dis(sample)
