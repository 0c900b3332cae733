"""A stack's resources as a tree that grows and changes with its events.

The tree is filled from the plan (what will be touched), then events are applied to it one by one;
`rows` is what is worth showing now. Nothing here reads a clock or a terminal: the caller says what
time it is and how many lines there are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

WAITING = "WAITING"


@dataclass(slots=True)
class Node:
    """One resource of one stack."""

    path: str
    """From the watched stack on, by names: `web/0/server`."""
    type: str = ""
    state: str = WAITING
    reason: str = ""
    began_at: float | None = None
    ended_at: float | None = None

    @property
    def name(self) -> str:
        """The last part of its path."""
        return self.path.rpartition("/")[2]

    @property
    def running(self) -> bool:
        """Something is being done to it."""
        return self.state.endswith("IN_PROGRESS")

    @property
    def failed(self) -> bool:
        """What was done to it ended badly."""
        return self.state.endswith("FAILED")

    @property
    def done(self) -> bool:
        """What was done to it ended well."""
        return self.state.endswith("COMPLETE")

    def seconds(self, now: float) -> float | None:
        """How long the present or last action has taken; None before it began."""
        if self.began_at is None:
            return None
        return max(0.0, (self.ended_at or now) - self.began_at)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the tree: a node, and the branches that lead to it."""

    node: Node
    lasts: tuple[bool, ...]
    """For it and each node above it, root first: whether it is the last of its siblings."""

    @property
    def depth(self) -> int:
        """0 for the resources of the watched stack itself."""
        return len(self.lasts) - 1


@dataclass(slots=True)
class StackTree:
    """The root stack and everything below it."""

    stack_id: str
    stack_name: str
    root: Node = field(init=False)
    sequence: int = 0
    """Of the last event applied: where a broken stream goes on."""
    _nodes: dict[str, Node] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.root = Node(self.stack_name, "stack")

    def expect(self, plan: Mapping[str, Any]) -> None:
        """List what the plan will touch, before the first event comes."""
        for step in plan.get("steps") or ():
            name = str(step["resource"])
            self._nodes.setdefault(name, Node(name, str(step.get("resource_type") or "")))

    def apply(self, event: Mapping[str, Any]) -> Node | None:
        """Take in one event and answer the node it concerns.

        None for a nested stack's own event: the resource it stands for has events of its own.
        """
        self.sequence = max(self.sequence, int(event.get("sequence") or 0))
        node = self._node(event)
        if node is None:
            return None
        node.state = state_of(event)
        node.reason = str(event.get("reason") or "")
        node.type = node.type or str(event.get("resource_type") or "")
        at = seconds_of(event.get("at"))
        if node.running:
            node.began_at, node.ended_at = at, None
        else:
            node.began_at = at if node.began_at is None else node.began_at
            node.ended_at = at
        return node

    def _node(self, event: Mapping[str, Any]) -> Node | None:
        within = str(event.get("within") or "")
        if event.get("physical_id") == event.get("stack_id"):
            return None if within else self.root
        path = "/".join(part for part in (within, str(event["resource"])) if part)
        return self._nodes.setdefault(path, Node(path))

    @property
    def nodes(self) -> list[Node]:
        """Every resource, in the order they became known."""
        return list(self._nodes.values())

    def rows(self, limit: int) -> tuple[list[Row], int]:
        """At most `limit` rows, and how many were left out: finished ones are left out first."""
        everything = self._rows()
        if len(everything) <= limit:
            return everything, 0
        ranked = sorted(range(len(everything)), key=lambda at: (_dullness(everything[at].node), at))
        kept = sorted(ranked[:limit])
        return [everything[at] for at in kept], len(everything) - len(kept)

    def _rows(self) -> list[Row]:
        """Parents before their children; those in the order they became known."""
        below: dict[str, list[Node]] = {}
        for node in self.nodes:
            below.setdefault(node.path.rpartition("/")[0], []).append(node)
        rows: list[Row] = []
        pending = _last_first(below.get("", []), ())
        while pending:
            row = pending.pop()
            rows.append(row)
            pending.extend(_last_first(below.get(row.node.path, []), row.lasts))
        return rows

    def counts(self) -> tuple[int, int, int, int]:
        """How many are done, running, failed, waiting."""
        nodes = self.nodes
        done = sum(node.done for node in nodes)
        running = sum(node.running for node in nodes)
        failed = sum(node.failed for node in nodes)
        return done, running, failed, len(nodes) - done - running - failed


def _last_first(siblings: list[Node], above: tuple[bool, ...]) -> list[Row]:
    """One family, ready to be taken from the end."""
    return [Row(node, (*above, node is siblings[-1])) for node in reversed(siblings)]


def _dullness(node: Node) -> int:
    if node.failed:
        return 0
    if node.running:
        return 1
    return 2 if node.state == WAITING else 3


def state_of(event: Mapping[str, Any]) -> str:
    """`CREATE_COMPLETE`, whether it came in one word or two."""
    action, status = str(event.get("action") or ""), str(event.get("status") or "")
    return status if not action or status.startswith(f"{action}_") else f"{action}_{status}"


def seconds_of(at: Any) -> float | None:
    """A time of the API as seconds since the epoch."""
    if isinstance(at, int | float):
        return float(at)
    if not at:
        return None
    return datetime.fromisoformat(str(at)).timestamp()
