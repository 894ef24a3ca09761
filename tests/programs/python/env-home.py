import os, site
print(os.path.expanduser("~/x"), site.ENABLE_USER_SITE, site.getuserbase())
