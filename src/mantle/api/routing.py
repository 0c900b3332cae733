"""Routes of the compatible APIs: a table of method, path and handler, matched segment by segment.

Litestar's own router serves `/v2`. Heat's and Keystone's paths need what it does not do: a name
that holds an escaped slash is one segment, a stack may be called `detail`, and the answers to a
wrong method or an unknown path differ from any framework's.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

HandlerT = TypeVar("HandlerT")


@dataclass(frozen=True, slots=True)
class Route(Generic[HandlerT]):
    """One row of the table. `{name}` in the path stands for one segment of any text."""

    method: str
    path: str
    handler: HandlerT
    deed: str = ""
    """What the caller must be allowed to do: a key of `access.policy.POLICY`."""


@dataclass(frozen=True, slots=True)
class Match(Generic[HandlerT]):
    """What a path leads to: the route (None: no such method there) and what is allowed."""

    route: Route[HandlerT] | None
    names: Mapping[str, str] = field(default_factory=dict)
    allowed: tuple[str, ...] = ()
    pattern: str = ""


class Router(Generic[HandlerT]):
    """Finds a path's route. Rows are tried in the table's order: the special comes first."""

    def __init__(self, routes: Iterable[Route[HandlerT]]) -> None:
        self.routes = tuple(routes)
        self._by_length: dict[int, list[tuple[list[str], Route[HandlerT]]]] = defaultdict(list)
        for route in self.routes:
            parts = route.path.split("/")
            self._by_length[len(parts)].append((parts, route))

    def match(self, method: str, segments: tuple[str, ...]) -> Match[HandlerT] | None:
        """None when no route has such a path."""
        fitting = [
            (names, route)
            for parts, route in self._by_length.get(len(segments), ())
            if (names := _fit(parts, segments)) is not None
        ]
        if not fitting:
            return None
        allowed = tuple(sorted({route.method for _, route in fitting}))
        for names, route in fitting:
            if route.method == method:
                return Match(route, names, allowed, route.path)
        return Match(None, fitting[0][0], allowed, fitting[0][1].path)


def _fit(parts: list[str], segments: tuple[str, ...]) -> dict[str, str] | None:
    names: dict[str, str] = {}
    for part, segment in zip(parts, segments, strict=True):
        if part.startswith("{"):
            if not segment:
                return None
            names[part[1:-1]] = segment
        elif part != segment:
            return None
    return names
