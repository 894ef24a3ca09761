from collections import Counter, defaultdict, deque, namedtuple, OrderedDict, ChainMap
import heapq, bisect
P = namedtuple("P", "x y")
print(Counter("abracadabra").most_common(2), defaultdict(list, a=[1]), deque([1, 2, 3], maxlen=2), P(1, 2), P(1, 2)._asdict(), OrderedDict(a=1))
h = [5, 3, 8, 1]
heapq.heapify(h)
print([heapq.heappop(h) for _ in range(4)], bisect.bisect([1, 3, 5], 3), heapq.nlargest(2, [1, 9, 4]), ChainMap({"a": 1}, {"a": 2})["a"])
