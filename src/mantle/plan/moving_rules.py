"""Asks the policy rules about a move. Pure.

A move has no steps, as nothing is done to any resource; but what a stack may hold is what rules are
about. So each resource is asked about where it leaves, with the stack it is in, and where it
arrives, with the stack it will be in; a rename within a stack is asked about once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mantle.model.policies import Asker, PolicyRule, PolicyVerdict
from mantle.model.records import ResourceRecord, StackRecord
from mantle.plan.policy import MOST_SECONDS, VOCABULARY, Ready, circumstances

MOVE = "move"
"""The `action` that rules see; the `change` is one of the three below."""

LEAVE, ARRIVE, RENAME = "leave", "arrive", "rename"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """One resource that goes, with the stack it is in, before and after."""

    row: ResourceRecord
    new_name: str
    way: str
    """The name of the moved resource, or the way from there to this one inside: `group/0`."""
    before: StackRecord
    after: StackRecord


def judge_move(
    rules: Sequence[PolicyRule],
    movers: Sequence[Mover],
    asker: Asker,
    now: float,
    seconds: Callable[[], float] = lambda: 0.0,
) -> tuple[PolicyVerdict, ...]:
    """Every rule that denies or warns of a move. `seconds` is a clock that bounds the whole."""
    ready = [Ready.of(rule) for rule in rules if not rule.actions or MOVE in rule.actions]
    found: list[PolicyVerdict] = []
    end = seconds() + MOST_SECONDS
    for mover in movers if ready else ():
        row = mover.row
        asked = [one for one in ready if one.concerns(row.type, row.resolved_type)]
        for change in _changes(mover) if asked else ():
            values = VOCABULARY.values(_variables(mover, change, asker, now))
            for one in asked:
                reason = (
                    f"the rules took more than {MOST_SECONDS:.0f} s, so this one was not evaluated"
                    if seconds() > end
                    else one.applies([(values, ())])
                )
                if reason is not None:
                    top = mover.way.split("/", 1)[0]
                    found.append(one.verdict(f"{change} {mover.way}", top, row.type, reason))
    return tuple(found)


def _changes(mover: Mover) -> tuple[str, ...]:
    """A stack inside stays the same stack, and its resources with it leave one tree for another."""
    same_root = mover.before.root_id == mover.after.root_id
    return (RENAME,) if same_root else (LEAVE, ARRIVE)


def _variables(mover: Mover, change: str, asker: Asker, now: float) -> dict[str, Any]:
    row = mover.row
    stack = mover.before if change == LEAVE else mover.after
    return {
        "action": MOVE,
        "change": change,
        "replacement": False,
        "resource": {
            "name": row.name if change == LEAVE else mover.new_name,
            "type": row.type,
            "resolved_type": row.resolved_type,
            "physical_id": row.physical_id or "",
        },
        "before": {} if change == ARRIVE else dict(row.properties),
        "after": {} if change == LEAVE else dict(row.properties),
        "changed": [],
        "unknown": [],
        **circumstances(stack, asker, now),
    }
