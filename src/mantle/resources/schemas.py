"""Short words for schema tables, so that a type's file reads as a table of its properties.

`update=True` marks what changes in place; everything else forces a replacement, as in Heat.
"""

from collections.abc import Callable, Mapping
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
    sought = [(path, path.split("."), why) for path, why in reasons.items()]

    def check(properties: Mapping[str, Any]) -> list[str]:
        # Hardly any of these properties is ever given, and every resource is checked twice.
        return [
            f"{place}: {why}"
            for path, parts, why in sought
            if properties.get(parts[0]) is not None
            for place, value in _found(properties, parts, "")
            if _asks(value) and value not in passing.get(path, ())
        ]

    return check


def _asks(value: Any) -> bool:
    """Whether a value requests something: unknowns and calls are judged once they are known."""
    if value is None or value is False or isinstance(value, Call) or value in ("", [], {}):
        return False
    if isinstance(value, Mapping) and all(each is None for each in value.values()):
        return False  # an empty map, its fields filled in
    return not unknowns_in(value)


def _found(value: Any, path: list[str], place: str) -> list[tuple[str, Any]]:
    """The values at a path with their places, `networks[1].tag`."""
    if not path:
        return [(place, value)]
    head, *rest = path
    if head == "*":
        items = enumerate(value) if isinstance(value, list) else ()
        return [hit for at, item in items for hit in _found(item, rest, f"{place}[{at}]")]
    if isinstance(value, Mapping) and head in value:
        return _found(value[head], rest, f"{place}.{head}" if place else head)
    return []


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
