"""Rolling updates: which members a group has, and as what, in each round.

A round changes so many members as the batch allows. To keep `min_in_service` others untouched
meanwhile, the group grows above its size and comes back to it in the end: with four members, four
to stay in service and batches of two, two are added, then two of the old four changed, then the
other two, then the two that were added are taken away. These are Heat's numbers.

Every round is computed from what the group is now, so nothing has to be remembered between rounds.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member as it is: the definition it was last brought to."""

    name: str
    definition: Any
    well: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a `rolling_update` policy says."""

    batch: int = 1
    in_service: int = 0
    pause_seconds: float = 0.0


def pace_of(policy: Mapping[str, Any]) -> Pace:
    """The policy with its defaults filled in; texts are taken as the numbers they stand for."""
    return Pace(
        batch=max(1, int(policy.get("max_batch_size") or 1)),
        in_service=max(0, int(policy.get("min_in_service") or 0)),
        pause_seconds=max(0.0, float(policy.get("pause_time") or 0)),
    )


def in_batches(policy: Mapping[str, Any] | None) -> tuple[int, float]:
    """(members at once, pause in seconds) of one operation; (0, 0) without a policy."""
    if policy is None:
        return 0, 0.0
    pace = pace_of(policy)
    return pace.batch, pace.pause_seconds


@dataclass(frozen=True, slots=True)
class Step:
    """One round in numbers."""

    capacity: int
    """Members there are when it ends."""
    changes: int
    """Members made or changed in it."""


def next_step(wanted: int, present: int, done: int, pace: Pace) -> Step | None:
    """The round to come; None when all `wanted` are done and nobody else is there."""
    if done >= present and present == wanted:
        return None
    kept = min(pace.in_service, wanted, present)
    changes = min(pace.batch, max(wanted - done, 0))
    capacity = changes + max(min(present, wanted - changes), kept)
    return Step(capacity=capacity, changes=changes)


def steps(wanted: int, present: int, pace: Pace) -> Iterator[Step]:
    """All rounds of a group of which nobody is done yet."""
    done = 0
    while (step := next_step(wanted, present, done, pace)) is not None:
        yield step
        done += step.changes - max(step.capacity - max(present, wanted), 0)
        present = step.capacity


def rests_seconds(wanted: int, present: int, pace: Pace) -> float:
    """What all pauses between rounds take together."""
    if pace.pause_seconds <= 0:
        return 0.0
    if pace.in_service == 0 and wanted == present:
        rounds = math.ceil(wanted / pace.batch)
    else:
        rounds = sum(1 for _ in steps(wanted, present, pace))
    return pace.pause_seconds * max(0, rounds - 1)


def next_round(
    members: Sequence[Member],
    names: Callable[[int], Sequence[str]],
    wanted: int,
    definition: Callable[[str], Any],
    pace: Pace,
) -> dict[str, Any] | None:
    """The members of the round to come, by name; None when only the wanted ones are left, done.

    `names(n)` are the names of a group of n members, the wanted ones first.
    """
    final = set(names(wanted))
    done = {
        each.name
        for each in members
        if each.name in final and each.well and each.definition == definition(each.name)
    }
    step = next_step(wanted, len(members), len(done), pace)
    if step is None:
        return None
    there = list(names(step.capacity))
    kept = _kept(members, there, step.capacity)
    made = [name for name in there if name not in {each.name for each in kept}]
    made = made[: step.capacity - len(kept)]
    outdated = [each for each in kept if each.name in final and each.name not in done]
    outdated.sort(key=lambda each: (each.well, -there.index(each.name)))
    chosen = {each.name for each in outdated[: max(0, step.changes - len(made))]}
    found = {
        each.name: definition(each.name) if each.name in chosen else each.definition
        for each in kept
    }
    found.update({name: definition(name) for name in made})
    return found


def _kept(members: Sequence[Member], there: Sequence[str], capacity: int) -> list[Member]:
    """Those that stay; who has no place in the group of this size goes first, then the unwell."""
    places = {name: place for place, name in enumerate(there)}
    ranked = sorted(
        members, key=lambda each: (each.name in places, each.well, -places.get(each.name, 0))
    )
    return ranked[max(0, len(ranked) - capacity) :]
