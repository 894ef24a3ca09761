from typing import Generic, TypeVar, Protocol, NamedTuple, TypedDict, Optional, get_type_hints, Literal, overload, Callable
T = TypeVar("T")
class Stack(Generic[T]):
    items: list[T]
class Movie(TypedDict, total=False):
    name: str
class N(NamedTuple):
    a: int = 1
def f(x: "Optional[int]", y: Callable[[int], str] | None = None) -> Literal["a"]: ...
print(get_type_hints(f), Stack[int], Movie(name="x"), N(), T, Movie.__annotations__, f.__annotations__)
