import datetime, time
print(time.tzname, datetime.datetime.fromtimestamp(0), time.localtime(0).tm_hour)
