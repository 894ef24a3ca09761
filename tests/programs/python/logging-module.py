import logging
logging.warning("to stderr by default")
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s:%(name)s:%(module)s:%(funcName)s:%(lineno)d:%(message)s", force=True)
def f():
    logging.getLogger("my.app").debug("value %d", 5)
    try:
        1 / 0
    except ZeroDivisionError:
        logging.exception("failed")
f()
