"""Template values: JSON data in which function calls and unknowns may stand.

A template is parsed once into plain data (str, int, float, bool, None, list, dict) with a `Call`
wherever a function stands. The resolver replaces calls by values. What cannot be known yet,
because a resource does not exist, becomes `Unknown`, which travels through every function.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mantle.model.errors import Path

Value = Any
"""JSON data in which `Call`, `Unknown` and `OMITTED` may appear."""


@dataclass(frozen=True, slots=True)
class Call:
    """One function of a template, not yet resolved: `{get_param: name}`."""

    function: str
    argument: Value
    path: Path
    """Where it stands in its template, for messages."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value known only after the named resources exist; names are sorted and unique."""

    after: tuple[str, ...]

    def __str__(self) -> str:
        return f"known after {', '.join(self.after)}"

    @staticmethod
    def joined(unknowns: "list[Unknown]") -> "Unknown":
        """One unknown that waits for everything its parts wait for."""
        return Unknown(tuple(sorted({name for unknown in unknowns for name in unknown.after})))


class Omitted:
    """The result of a two-argument `if` whose condition is false: the enclosing item vanishes."""

    _only: "Omitted | None" = None

    def __new__(cls) -> "Omitted":
        """There is one; compare with `is`."""
        if cls._only is None:
            cls._only = super().__new__(cls)
        return cls._only

    def __repr__(self) -> str:
        return "OMITTED"


OMITTED = Omitted()


def unknowns_in(value: Value) -> list[Unknown]:
    """Every unknown anywhere inside a resolved value."""
    return [part for part in walk(value) if isinstance(part, Unknown)]


def walk(value: Value) -> Iterator[Value]:
    """The value and everything inside it, parents first; a call's argument counts as inside."""
    pending = [value]
    while pending:
        part = pending.pop()
        yield part
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
        elif isinstance(part, Call):
            pending.append(part.argument)
