import traceback
def show():
    traceback.print_stack()
    try:
        raise ValueError("v")
    except ValueError as e:
        tb = e.__traceback__
        while tb:
            print(tb.tb_frame.f_code.co_name, tb.tb_frame.f_code.co_filename, tb.tb_lineno, tb.tb_frame.f_back is not None)
            tb = tb.tb_next
show()
