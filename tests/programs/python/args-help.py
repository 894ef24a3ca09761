import argparse
p = argparse.ArgumentParser()
p.add_argument("--verbose", help="say more")
p.parse_args()
