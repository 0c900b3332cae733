"""Plans of check, suspend, resume and snapshot: one thing done to every resource in use."""

from collections.abc import Collection, Mapping, Sequence

from mantle.model.ids import ResourceId
from mantle.model.plan import Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.plan.judge import MAKING
from mantle.plan.order import dependents, without_cycles
from mantle.plan.steps import on_row, step_key

ACTING: Mapping[Action, StepKind] = {
    Action.CHECK: StepKind.CHECK,
    Action.SUSPEND: StepKind.SUSPEND,
    Action.RESUME: StepKind.RESUME,
    Action.SNAPSHOT: StepKind.SNAPSHOT,
}

LASTING = {Action.SUSPEND, Action.RESUME}
"""Done once, these need not be done again."""


def acting_steps(
    action: Action, rows: Sequence[ResourceRecord], timeout_seconds: float
) -> tuple[list[Step], tuple[str, ...]]:
    """One step for each resource in use, and the names that need none.

    Suspending goes from dependents to dependencies, resuming the other way. A check looks at
    everything at once, whatever fails.
    """
    kind = ACTING[action]
    live = {row.id for row in rows}
    in_use = {row.name: row for row in rows if is_in_use(row, live)}
    idle = {
        name
        for name, row in in_use.items()
        if action in LASTING and row.action is action and row.status is Status.COMPLETE
    }
    made = [
        on_row(
            kind,
            in_use[name],
            key=step_key(kind, name),
            reason=f"{action.lower()} of the stack",
            requires=[step_key(kind, other) for other in before if other not in idle],
            timeout_seconds=timeout_seconds,
        )
        for name, before in _before(action, in_use).items()
        if name not in idle
    ]
    return made, tuple(name for name in in_use if name in idle)


def is_in_use(row: ResourceRecord, live: Collection[ResourceId]) -> bool:
    """False for what was never made and for what is on its way out.

    Acting on such a row would change its state, and with that make it look alive. A row whose
    replacement is gone, after a rollback, is in use again.
    """
    if row.replaced_by in live or row.action in {Action.DELETE, Action.INIT}:
        return False
    return row.action not in MAKING or row.status is Status.COMPLETE


def _before(action: Action, rows: Mapping[str, ResourceRecord]) -> Mapping[str, tuple[str, ...]]:
    """For each name, in order, the names whose turn comes first."""
    order = without_cycles({name: row.requires for name, row in rows.items()})
    if action is Action.RESUME:
        return order
    if action is Action.SUSPEND:
        turned = dependents(order)
        return {name: tuple(turned.get(name, ())) for name in reversed(order)}
    return dict.fromkeys(rows, ())
