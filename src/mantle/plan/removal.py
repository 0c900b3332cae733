"""Removing rows: in reverse dependency order, and after whatever depended on them has moved.

A row remembers the names it required. A row may go when every row that required its name has gone
or has been brought to the new template, and when its own replacement is there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mantle.model.graph import DeletionPolicy
from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.model.values import walk
from mantle.plan.adoption import note_of
from mantle.plan.order import dependents, without_cycles
from mantle.plan.steps import on_row, step_key


@dataclass(frozen=True, slots=True, kw_only=True)
class Doomed:
    """A row that leaves the stack, and why."""

    row: ResourceRecord
    reason: str


def removal_steps(
    doomed: Sequence[Doomed],
    *,
    rows: Sequence[ResourceRecord],
    references: Mapping[str, Sequence[str]],
    forward: Mapping[str, StepKey],
    timeout_seconds: float,
) -> list[Step]:
    """The steps that remove the doomed rows, each after what it must wait for.

    `rows` are all live rows, `references` what each wanted resource needs, and `forward` the step
    of each resource that is created or updated.
    """
    ends = {one.row.id: kinds_of(one.row) for one in doomed}
    counts = Counter(one.row.name for one in doomed)
    first = {one.row.id: _key(ends[one.row.id][0], one.row, counts) for one in doomed}
    last = {one.row.id: _key(ends[one.row.id][-1], one.row, counts) for one in doomed}
    order = without_cycles(*_rows_before(doomed, rows))
    wanted_by = dependents(references)
    kept_by = _users(row for row in rows if row.id not in last)
    by_id = {one.row.id: one for one in doomed}
    steps: list[Step] = []
    for row_id, before in order.items():
        row = by_id[row_id].row
        moved = [row.name, *wanted_by.get(row.name, ()), *kept_by.get(row.name, ())]
        requires: list[StepKey] = [forward[name] for name in moved if name in forward]
        requires += [last[other] for other in before]
        requires = list(dict.fromkeys(requires))
        if first[row_id] != last[row_id]:
            steps.append(
                on_row(
                    StepKind.SNAPSHOT,
                    row,
                    key=first[row_id],
                    reason="its deletion policy asks for a snapshot first",
                    requires=requires,
                    timeout_seconds=timeout_seconds,
                )
            )
            requires = [first[row_id]]
        steps.append(
            on_row(
                ends[row_id][-1],
                row,
                key=last[row_id],
                reason=by_id[row_id].reason,
                requires=requires,
                timeout_seconds=timeout_seconds,
            )
        )
    return steps


def kinds_of(row: ResourceRecord) -> tuple[StepKind, ...]:
    """How a row leaves, by its deletion policy.

    What was never finished is deleted under any policy: it holds nothing worth keeping, and
    without a physical id nobody could ever find it again.
    """
    unmade = row.action is Action.INIT or (
        row.action in {Action.CREATE, Action.ADOPT} and row.status is not Status.COMPLETE
    )
    if note_of(row) is not None:
        return (StepKind.FORGET,)  # it never became ours
    if unmade and row.physical_id is None:
        return (StepKind.DELETE,)
    if row.deletion_policy is DeletionPolicy.RETAIN:
        return (StepKind.FORGET,)
    intact = not unmade and row.action is not Action.DELETE
    if row.deletion_policy is DeletionPolicy.SNAPSHOT and intact:
        return (StepKind.SNAPSHOT, StepKind.DELETE)
    return (StepKind.DELETE,)


def _key(kind: StepKind, row: ResourceRecord, counts: Mapping[str, int]) -> StepKey:
    return step_key(kind, row.name, row.id if counts[row.name] > 1 else None)


def _users(rows: Iterable[ResourceRecord]) -> dict[str, list[str]]:
    """Who, by name, uses each name according to the rows."""
    users: dict[str, list[str]] = {}
    for row in rows:
        for name in row.requires:
            users.setdefault(name, []).append(row.name)
    return users


def _rows_before(
    doomed: Sequence[Doomed], rows: Sequence[ResourceRecord]
) -> tuple[dict[ResourceId, list[ResourceId]], set[tuple[ResourceId, ResourceId]]]:
    """For each doomed row the doomed rows that go before it: those that may be using it.

    And those pairs of which it is certain, because the one's properties hold the other's id: a
    cloud would refuse to delete it before.
    """
    by_name: dict[str, list[ResourceRecord]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row)
    users: dict[ResourceId, list[ResourceId]] = {one.row.id: [] for one in reversed(doomed)}
    certain: set[tuple[ResourceId, ResourceId]] = set()
    for one in doomed:
        held = _held(one.row)
        for name in one.row.requires:
            for used in _used(one.row, by_name.get(name, [])):
                if used.id in users:
                    users[used.id].append(one.row.id)
                    if used.physical_id in held:
                        certain.add((used.id, one.row.id))
    return users, certain


def _used(user: ResourceRecord, rows: list[ResourceRecord]) -> list[ResourceRecord]:
    """Which of the rows that bear a name the user, which requires the name, may be using.

    Not one made after the user was last written. Of several, those whose physical id its
    properties hold; if they hold none, any. Without this, the rows of two templates would seem to
    use each other, and an edge that matters might be the one that is dropped.
    """
    written = user.updated_at or user.created_at
    older = [row for row in rows if row.created_at <= written]
    if len(older) < 2:
        return older
    held = _held(user)
    return [row for row in older if row.physical_id in held] or older


def _held(user: ResourceRecord) -> set[str]:
    """Every text among its properties."""
    return {part for part in walk(dict(user.properties)) if isinstance(part, str)}
