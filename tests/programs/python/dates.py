import datetime as dt, calendar, time
d = dt.datetime(2024, 2, 29, 12, 30, tzinfo=dt.timezone.utc)
print(d.isoformat(), d + dt.timedelta(days=366), d.strftime("%A %d %B %Y"), dt.date(2024, 1, 1).weekday(), dt.datetime.strptime("2024-01-02", "%Y-%m-%d"))
print(calendar.month(2024, 2), time.strftime("%H", time.gmtime(3600)), repr(dt.timedelta(seconds=5)))
print(time.process_time() < 5, time.perf_counter() > 0, time.monotonic() > 0, time.time() > 1.6e9)
