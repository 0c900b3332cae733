"""Dependency order over names, rows or steps: one walk, linear in nodes and edges.

A template's graph has no cycle; loading it made sure. What old rows say they require can have one
all the same: each row remembers the template it was made from, and two templates may have turned a
dependency round. Such an edge is dropped, for deleting in an imperfect order beats not deleting;
not one that is known to matter, though, if another will do.
"""

from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import TypeVar

Node = TypeVar("Node", bound=Hashable)


def dependencies_first(requires: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """Every key after what it requires; otherwise in the order given.

    Requirements that are no key are ignored. An edge that would close a cycle is ignored too.
    """
    order: list[Node] = []
    begun: set[Node] = set()
    for start in requires:
        if start in begun:
            continue
        begun.add(start)
        path: list[tuple[Node, Iterator[Node]]] = [(start, iter(requires[start]))]
        while path:
            node, pending = path[-1]
            following = next((other for other in pending if other not in begun), None)
            if following is None:
                path.pop()
                order.append(node)
            elif following in requires:
                begun.add(following)
                path.append((following, iter(requires[following])))
    return order


def without_cycles(
    requires: Mapping[Node, Iterable[Node]], firm: Collection[tuple[Node, Node]] = ()
) -> dict[Node, tuple[Node, ...]]:
    """The same graph in dependency order, less the edges that had to go for there to be one.

    `firm` edges, as (node, what it requires), go only where they form a cycle among themselves.
    """
    kept = _in_order({node: tuple(dict.fromkeys(others)) for node, others in requires.items()})
    lost = [
        (node, other)
        for node, others in requires.items()
        for other in others
        if (node, other) in firm and other in kept and other not in kept[node]
    ]
    for node, other in lost:
        way = _way(kept, other, node)
        while way:
            loose = next((edge for edge in pairwise(way) if edge not in firm), None)
            if loose is None:
                break
            kept[loose[0]] = tuple(each for each in kept[loose[0]] if each != loose[1])
            way = _way(kept, other, node)
        if not way:
            kept[node] = (*kept[node], other)
    return _in_order(kept) if lost else kept


def _in_order(requires: Mapping[Node, tuple[Node, ...]]) -> dict[Node, tuple[Node, ...]]:
    order = dependencies_first(requires)
    place = {node: number for number, node in enumerate(order)}
    return {
        node: tuple(
            other for other in requires[node] if other in place and place[other] < place[node]
        )
        for node in order
    }


def _way(requires: Mapping[Node, Iterable[Node]], start: Node, end: Node) -> list[Node]:
    """Nodes along the requirements from one to another; empty when there is no way."""
    came: dict[Node, Node | None] = {start: None}
    pending = [start]
    while pending and end not in came:
        node = pending.pop()
        for other in requires.get(node, ()):
            if other not in came:
                came[other] = node
                pending.append(other)
    way: list[Node] = []
    here: Node | None = end if end in came else None
    while here is not None:
        way.append(here)
        here = came[here]
    return way[::-1]


def dependents(requires: Mapping[Node, Iterable[Node]]) -> dict[Node, list[Node]]:
    """The graph turned round: who requires this? Nodes nobody requires are absent."""
    turned: dict[Node, list[Node]] = {}
    for node, others in requires.items():
        for other in others:
            turned.setdefault(other, []).append(node)
    return turned


def find_cycle(requires: Mapping[Node, Iterable[Node]]) -> list[Node]:
    """One cycle as the nodes along it, the first repeated at the end; empty when there is none."""
    done: set[Node] = set()
    for start in requires:
        trail: dict[Node, None] = {}
        path: list[tuple[Node, Iterator[Node]]] = []
        node: Node | None = start
        while node is not None:
            if node in trail:
                nodes = list(trail)
                return [*nodes[nodes.index(node) :], node]
            if node not in done and node in requires:
                trail[node] = None
                path.append((node, iter(requires[node])))
            node = _next_in(path, trail, done)
    return []


def _next_in(
    path: list[tuple[Node, Iterator[Node]]], trail: dict[Node, None], done: set[Node]
) -> Node | None:
    while path:
        node, pending = path[-1]
        for other in pending:
            if other not in done:
                return other
        path.pop()
        done.add(node)
        del trail[node]
    return None
