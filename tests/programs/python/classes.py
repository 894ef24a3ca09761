from dataclasses import dataclass, field, asdict, replace
from enum import Enum, auto, Flag
from abc import ABC, abstractmethod
from functools import total_ordering, cached_property

class Shape(ABC):
    @abstractmethod
    def area(self): ...

@total_ordering
@dataclass(order=False)
class Square(Shape):
    side: float = 1
    tags: list = field(default_factory=list)
    def area(self): return self.side ** 2
    def __lt__(self, other): return self.area() < other.area()
    @cached_property
    def label(self): return f"<{self.side}>"

class Color(Enum):
    RED = 1
    GREEN = auto()

class Perm(Flag):
    R = 4
    W = 2

s = Square(3, ["a"])
print(s, asdict(s), s > Square(2), s.label, replace(s, side=4), Color.GREEN, Color["RED"].value, list(Color), Perm.R | Perm.W)
try:
    Shape()
except TypeError as e:
    print(e)

class Meta(type):
    def __new__(m, name, bases, ns):
        ns["made_by"] = m.__name__
        return super().__new__(m, name, bases, ns)
class Thing(metaclass=Meta):
    __slots__ = ("x",)
    def __getattr__(self, name): return f"no {name}"
print(Thing.made_by, Thing().zzz, Thing.__mro__, Thing.__module__, Thing, Square.__qualname__)
