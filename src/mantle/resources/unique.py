"""What only one object can have: why an old one must go before the one that replaces it is made."""

from collections.abc import Callable, Mapping
from typing import Any

from mantle.model.values import unknowns_in

OldFirst = Callable[[Mapping[str, Any], Mapping[str, Any]], str | None]


def had_once(what: str, *names: str) -> OldFirst:
    """These properties, taken together, can be had by one object only: `its name`."""

    def rule(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
        values = [(before.get(name), after.get(name)) for name in names]
        if any(was in (None, "") or unknowns_in(now) or was != now for was, now in values):
            return None
        return f"{what} can be had only once"

    return rule


def held_once(what: str, part: Callable[[Mapping[str, Any]], set[str]]) -> OldFirst:
    """One of the things that `part` reads from the properties is in both: `port`."""

    def rule(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
        both = part(before) & part(after)
        if not both:
            return None
        return f"{what} {', '.join(sorted(both)[:3])} can be had only once"

    return rule


def first_of(*rules: OldFirst) -> OldFirst:
    """Whichever speaks."""

    def rule(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
        return next((why for one in rules if (why := one(before, after)) is not None), None)

    return rule


def listed(name: str, key: str) -> Callable[[Mapping[str, Any]], set[str]]:
    """The known values of one key in a list of maps."""

    def part(properties: Mapping[str, Any]) -> set[str]:
        entries = properties.get(name)
        return {
            value
            for entry in (entries if isinstance(entries, list) else ())
            if isinstance(entry, Mapping) and isinstance(value := entry.get(key), str) and value
        }

    return part
