try:
    {}["missing"]
except KeyError as e:
    raise RuntimeError("cannot go on") from e
