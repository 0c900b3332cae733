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

    name: str
    type: str = ""
    stack_id: str = ""
    state: str = WAITING
    reason: str = ""
    began_at: float | None = None
    ended_at: float | None = None
    child_stack: str = ""
    """The nested stack it stands for, once known."""

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
    """One line of the tree: a node, how deep it stands, and the elbow that leads to it."""

    node: Node
    depth: int
    last: bool


@dataclass(slots=True)
class StackTree:
    """The root stack and everything below it."""

    stack_id: str
    stack_name: str
    root: Node = field(init=False)
    _nodes: dict[tuple[str, str], Node] = field(default_factory=dict)
    _by_child: dict[str, Node] = field(default_factory=dict)
    sequence: int = 0
    """Of the last event applied: where a broken stream goes on."""

    def __post_init__(self) -> None:
        self.root = Node(self.stack_name, "stack", self.stack_id)

    def expect(self, plan: Mapping[str, Any]) -> None:
        """List what the plan will touch, before the first event comes."""
        for step in plan.get("steps") or ():
            key = (self.stack_id, str(step["resource"]))
            self._nodes.setdefault(key, Node(key[1], str(step.get("resource_type") or ""), key[0]))

    def apply(self, event: Mapping[str, Any]) -> Node:
        """Take in one event and answer the node it concerns."""
        self.sequence = max(self.sequence, int(event.get("sequence") or 0))
        node = self._node(event)
        node.state = state_of(event)
        node.reason = str(event.get("reason") or "")
        node.type = node.type or str(event.get("resource_type") or "")
        at = seconds_of(event.get("at"))
        if node.running:
            node.began_at, node.ended_at = at, None
        else:
            node.began_at = at if node.began_at is None else node.began_at
            node.ended_at = at
        physical = event.get("physical_id")
        if physical and node is not self.root:
            node.child_stack = str(physical)
            self._by_child[str(physical)] = node
        return node

    def _node(self, event: Mapping[str, Any]) -> Node:
        stack, name = str(event.get("stack_id") or self.stack_id), str(event.get("resource"))
        itself = (
            event.get("physical_id") == stack or event.get("resource_type") == "OS::Heat::Stack"
        )
        if itself and (stack, name) not in self._nodes:
            if stack == self.stack_id:
                return self.root
            if stack in self._by_child:
                return self._by_child[stack]
        return self._nodes.setdefault((stack, name), Node(name, stack_id=stack))

    @property
    def nodes(self) -> list[Node]:
        """Every resource, in the order they became known."""
        return list(self._nodes.values())

    def rows(self, limit: int) -> tuple[list[Row], int]:
        """At most `limit` rows, and how many were left out: finished ones are left out first."""
        everything = list(self._rows())
        if len(everything) <= limit:
            return everything, 0
        ranked = sorted(range(len(everything)), key=lambda at: (_dullness(everything[at].node), at))
        kept = sorted(ranked[:limit])
        return [everything[at] for at in kept], len(everything) - len(kept)

    def _rows(self) -> list[Row]:
        below: dict[str, list[Node]] = {}
        for node in self.nodes:
            home = node.stack_id if node.stack_id in self._by_child else self.stack_id
            below.setdefault(home, []).append(node)
        rows: list[Row] = []
        pending = [
            (node, 0, node is below[self.stack_id][-1]) for node in below.get(self.stack_id, [])
        ]
        pending.reverse()
        while pending:
            node, depth, last = pending.pop()
            rows.append(Row(node, depth, last))
            children = below.get(node.child_stack, []) if node.child_stack else []
            pending.extend(
                (child, depth + 1, child is children[-1]) for child in reversed(children)
            )
        return rows

    def counts(self) -> tuple[int, int, int, int]:
        """How many are done, running, failed, waiting."""
        nodes = self.nodes
        done = sum(node.done for node in nodes)
        running = sum(node.running for node in nodes)
        failed = sum(node.failed for node in nodes)
        return done, running, failed, len(nodes) - done - running - failed


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
