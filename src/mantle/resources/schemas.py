"""Short words for schema tables, so that a type's file reads as a table of its properties.

`update=True` marks what changes in place; everything else forces a replacement, as in Heat.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mantle.model.schema import (
    AllowedValues,
    Attribute,
    Constraint,
    Custom,
    Kind,
    Length,
    OnChange,
    Property,
    Range,
    ResourceSchema,
    SupportStatus,
)
from mantle.model.values import Call, unknowns_in

SHOW = Attribute(kind=Kind.MAP, description="Everything the cloud says about it.")
"""Heat's base attribute, which every type has."""


def _property(
    kind: Kind,
    description: str,
    *,
    update: bool = False,
    allowed: tuple[Any, ...] = (),
    custom: str = "",
    constraints: tuple[Constraint, ...] = (),
    **rest: Any,
) -> Property:
    """One property; the shorthands below only choose its kind."""
    if allowed:
        constraints = (*constraints, AllowedValues(allowed=allowed))
    if custom:
        constraints = (*constraints, Custom(name=custom))
    return Property(
        kind=kind,
        description=description,
        on_change=OnChange.UPDATE if update else OnChange.REPLACE,
        constraints=constraints,
        **rest,
    )


def string(
    description: str, *, shortest: int | None = None, longest: int | None = None, **rest: Any
) -> Property:
    """A text; `shortest` and `longest` bound its characters."""
    if shortest is not None or longest is not None:
        rest["constraints"] = (Length(min=shortest, max=longest),)
    return _property(Kind.STRING, description, **rest)


def _numeric(
    kind: Kind, description: str, low: float | None, high: float | None, rest: dict[str, Any]
) -> Property:
    if low is not None or high is not None:
        rest["constraints"] = (Range(min=low, max=high),)
    return _property(kind, description, **rest)


def integer(
    description: str, *, low: float | None = None, high: float | None = None, **rest: Any
) -> Property:
    """A whole number within inclusive bounds."""
    return _numeric(Kind.INTEGER, description, low, high, rest)


def number(
    description: str, *, low: float | None = None, high: float | None = None, **rest: Any
) -> Property:
    """A number within inclusive bounds."""
    return _numeric(Kind.NUMBER, description, low, high, rest)


def boolean(description: str, **rest: Any) -> Property:
    """True or false."""
    return _property(Kind.BOOLEAN, description, **rest)


def mapping(
    description: str, fields: Mapping[str, Property] | None = None, **rest: Any
) -> Property:
    """A map; with `fields`, only these keys."""
    return _property(Kind.MAP, description, fields=fields, **rest)


def listing(description: str, items: Property | None = None, **rest: Any) -> Property:
    """A list; with `items`, each item is one of these."""
    return _property(Kind.LIST, description, items=items, **rest)


def maps(description: str, fields: Mapping[str, Property], **rest: Any) -> Property:
    """A list of maps with these keys."""
    return listing(description, Property(kind=Kind.MAP, fields=fields), **rest)


def strings(description: str, *, each: str = "", **rest: Any) -> Property:
    """A list of texts; `each` names a custom constraint of every one."""
    constraints = (Custom(name=each),) if each else ()
    return listing(description, Property(kind=Kind.STRING, constraints=constraints), **rest)


def anything(description: str, **rest: Any) -> Property:
    """Any JSON value."""
    return _property(Kind.ANY, description, **rest)


def old_name(today: str, **rest: Any) -> Property:
    """An older name of a sibling property, accepted and not offered."""
    return _property(Kind.STRING, f"Old name of {today}.", hidden=True, alias_of=today, **rest)


def schema(
    type_name: str,
    description: str,
    properties: Mapping[str, Property],
    attributes: Mapping[str, tuple[Kind, str] | Attribute] | None = None,
    **rest: Any,
) -> ResourceSchema:
    """A resource type's schema; attributes may be written as (kind, description)."""
    full = {
        name: each if isinstance(each, Attribute) else Attribute(kind=each[0], description=each[1])
        for name, each in (attributes or {}).items()
    }
    return ResourceSchema(
        type=type_name,
        description=description,
        properties=properties,
        attributes={**full, "show": SHOW},
        support=SupportStatus.SUPPORTED,
        **rest,
    )


# --- rules over properties -------------------------------------------------------------------

Rule = Callable[[Mapping[str, Any]], list[str]]


def rules(*parts: Rule) -> Rule:
    """All problems of several rules."""

    def check(properties: Mapping[str, Any]) -> list[str]:
        return [problem for part in parts for problem in part(properties)]

    return check


def not_offered(
    reasons: Mapping[str, str], harmless: Mapping[str, tuple[Any, ...]] | None = None
) -> Rule:
    """Refuses by name the properties that no cloud behind the port can honour.

    A path is dotted, `*` stands for any list position: `networks.*.tag`. A null, an empty value,
    false, and the values in `harmless` are no request and pass.
    """
    passing = harmless or {}
    sought = _Sought()
    for path in reasons:
        level = sought
        for part in path.split("."):
            level = level.below.setdefault(part, _Sought())
        level.path = path

    def check(properties: Mapping[str, Any]) -> list[str]:
        return [
            f"{place}: {reasons[path]}"
            for path, place, value in _found(properties, sought, "")
            if _asks(value) and value not in passing.get(path, ())
        ]

    return check


@dataclass
class _Sought:
    """Paths by their parts; a last part has its whole path."""

    path: str | None = None
    below: dict[str, "_Sought"] = field(default_factory=dict)


def _asks(value: Any) -> bool:
    """Whether a value requests something: unknowns and calls are judged once they are known."""
    if value is None or value is False or isinstance(value, Call) or value in ("", [], {}):
        return False
    if isinstance(value, Mapping) and all(each is None for each in value.values()):
        return False  # an empty map, its fields filled in
    return not unknowns_in(value)


def _found(value: Any, sought: _Sought, place: str) -> Iterator[tuple[str, str, Any]]:
    """The values at the sought paths, each with its path and its place, `networks[1].tag`.

    Every resource is checked twice and hardly any of these is ever given: so each list and map is
    gone through once, for all the paths that lead into it.
    """
    if sought.path is not None:
        yield sought.path, place, value
    if isinstance(value, list) and "*" in sought.below:
        for at, item in enumerate(value):
            yield from _found(item, sought.below["*"], f"{place}[{at}]")
    elif isinstance(value, Mapping):
        for name, inner in sought.below.items():
            if value.get(name) is not None:
                yield from _found(value[name], inner, f"{place}.{name}" if place else name)


def one_of(*names: str, exactly: bool = False) -> Rule:
    """At least one of these properties (or exactly one) must be given."""

    def check(properties: Mapping[str, Any]) -> list[str]:
        given = [name for name in names if properties.get(name) is not None]
        if not given:
            return [f"One of {', '.join(names)} must be given."]
        if exactly and len(given) > 1:
            return [f"Only one of {', '.join(names)} may be given; {' and '.join(given)} are."]
        return []

    return check


def same_value(one: Any, other: Any) -> bool:
    """Whether two property values name the same thing; calls are compared without their places."""
    if isinstance(one, Call) and isinstance(other, Call):
        return one.function == other.function and bool(one.argument == other.argument)
    return one is not None and bool(one == other)
