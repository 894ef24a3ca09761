import collections
"text".uper()
