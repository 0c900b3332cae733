"""Frozen values with some fields changed, faster than `dataclasses.replace`.

A walk changes each row it works on several times, and a row has two dozen fields: `replace` looks
at the definition of every one of them, and `__init__` goes through `object.__setattr__` for each.
Here that is looked up once for each class.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

T = TypeVar("T")

_Shape = tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]], tuple[Callable[..., None], ...]]

_SHAPES: dict[type, _Shape] = {}


def changed(value: T, **changes: Any) -> T:
    """As `dataclasses.replace`; raises `TypeError` for what is no field.

    For a dataclass with slots, two fields or more, and nothing to do in `__post_init__`.
    """
    kind: type[Any] = type(value)
    names, get, setters = _SHAPES.get(kind) or _shape(kind)
    fields = dict(zip(names, get(value), strict=True))
    fields.update(changes)
    if len(fields) != len(names):
        raise TypeError(f"no fields: {', '.join(fields.keys() - set(names))}")
    made: T = object.__new__(kind)
    for put, given in zip(setters, fields.values(), strict=True):
        put(made, given)
    return made


def _shape(kind: type[Any]) -> _Shape:
    names = tuple(kind.__dataclass_fields__)
    if hasattr(kind, "__post_init__"):
        raise TypeError(f"{kind.__name__} has something to do in __post_init__")
    setters = tuple(getattr(kind, name).__set__ for name in names)
    shape = _SHAPES[kind] = names, attrgetter(*names), setters
    return shape
