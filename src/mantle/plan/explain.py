"""Why an operation is where it is: who holds it, what each step waits for, what comes next.

Pure: from the rows to words. What is said is read from what is durable, so that any process can
explain an operation that another carries out, or that none does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.records import OperationRecord, ResourceRecord
from mantle.model.status import Action, Cancel, OperationStatus, Status

SILENT_SECONDS = 30.0
"""An engine that has not been heard of for so long is taken for gone."""

QUIET_SECONDS = 900.0
"""An operation none of whose steps has moved for so long is worth a look."""


class StepState(StrEnum):
    """How far a step is."""

    DONE = "done"
    RUNNING = "running"
    HELD = "held"
    """At a hook, until somebody clears it."""
    FAILED = "failed"
    READY = "ready"
    BLOCKED = "blocked"


class Trouble(StrEnum):
    """Why an operation cannot go on, or may not."""

    NO_ENGINE = "no-engine"
    DEAD_ENGINE = "dead-engine"
    OVERDUE = "overdue"
    QUIET = "quiet"
    HELD = "held"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. Times are seconds since the epoch."""

    key: StepKey
    state: StepState
    resource: str
    said: str
    """What it waits for, what failed, or what it will do."""
    since: float | None = None
    """When it was begun."""
    until: float | None = None
    """When it fails for want of time."""
    waits_for: tuple[StepKey, ...] = ()
    """Steps that must be complete before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Who holds an operation."""

    id: str
    host: str = ""
    beat_at: float | None = None
    """When it was last heard of; None when nothing is known of it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The whole answer."""

    operation: OperationRecord
    engine: Engine | None
    behind: OperationRecord | None
    """The operation of the same stack that must end first."""
    steps: tuple[StepView, ...]
    troubles: tuple[tuple[Trouble, str], ...]
    """Each with what to do about it."""
    next: str
    """What happens if nobody does anything."""


def explain(
    operation: OperationRecord,
    *,
    engine: Engine | None,
    behind: OperationRecord | None,
    plan: Plan | None,
    rows: Mapping[ResourceId, ResourceRecord],
    held: Sequence[tuple[str, str, float]],
    now: float,
) -> Explanation:
    """`held` are the hooks that hold it: resource, hook, since when."""
    steps = () if plan is None else tuple(_steps(operation, plan, rows, held))
    troubles = (
        () if operation.status.ended else tuple(_troubles(operation, engine, behind, steps, now))
    )
    return Explanation(
        operation=operation,
        engine=engine,
        behind=behind,
        steps=steps,
        troubles=troubles,
        next=_next(operation, behind, steps, troubles),
    )


# --- steps -----------------------------------------------------------------------------------


def _steps(
    operation: OperationRecord,
    plan: Plan,
    rows: Mapping[ResourceId, ResourceRecord],
    held: Sequence[tuple[str, str, float]],
) -> list[StepView]:
    hooks = {resource: (hook, since) for resource, hook, since in held}
    done: set[StepKey] = set()
    views = []
    for step in plan.steps:
        row = rows.get(step.resource_id)
        view = _view(operation, plan, step, row, hooks, done)
        if view.state is StepState.DONE:
            done.add(step.key)
        views.append(view)
    return views


def _view(
    operation: OperationRecord,
    plan: Plan,
    step: Step,
    row: ResourceRecord | None,
    hooks: Mapping[str, tuple[str, float]],
    done: set[StepKey],
) -> StepView:
    missing = tuple(key for key in step.requires if key not in done)
    state, said = _state(operation, plan, step, row, missing)
    since = row.started_at if row is not None and state is StepState.RUNNING else None
    if step.resource in hooks and state is not StepState.DONE:
        hook, since = hooks[step.resource]
        state, said = StepState.HELD, f"its {hook} hook waits to be cleared"
    return StepView(
        key=step.key,
        state=state,
        resource=step.resource,
        said=said,
        since=since,
        until=since + step.timeout_seconds if since and state is StepState.RUNNING else None,
        waits_for=missing if state is StepState.BLOCKED else (),
    )


def _state(
    operation: OperationRecord,
    plan: Plan,
    step: Step,
    row: ResourceRecord | None,
    missing: tuple[StepKey, ...],
) -> tuple[StepState, str]:
    if row is None:
        # A row that was deleted and purged, or one of an operation long over.
        over = operation.status is OperationStatus.COMPLETE or step.kind is StepKind.DELETE
        return (StepState.DONE, "done") if over else (StepState.READY, step.reason)
    if row.plan_id == plan.id and row.action is not Action.INIT:
        match row.status:
            case Status.COMPLETE:
                return StepState.DONE, row.reason
            case Status.FAILED:
                return StepState.FAILED, row.reason
            case Status.IN_PROGRESS:
                return StepState.RUNNING, row.reason
    if step.kind is StepKind.KEEP and operation.status is OperationStatus.COMPLETE:
        return StepState.DONE, step.reason
    return (StepState.BLOCKED if missing else StepState.READY), step.reason


# --- troubles --------------------------------------------------------------------------------


def _troubles(
    operation: OperationRecord,
    engine: Engine | None,
    behind: OperationRecord | None,
    steps: Sequence[StepView],
    now: float,
) -> list[tuple[Trouble, str]]:
    found: list[tuple[Trouble, str]] = []
    if behind is not None:
        found.append(
            (
                Trouble.BEHIND,
                (
                    f"It waits for operation {behind.id} ({behind.action}) of the same stack: "
                    f"`mantle operation explain {behind.id}`."
                ),
            )
        )
    if operation.status is OperationStatus.QUEUED and now - operation.created_at > SILENT_SECONDS:
        found.append(
            (Trouble.NO_ENGINE, "No engine has taken it: see whether one runs (`/readyz`).")
        )
    elif operation.status is OperationStatus.RUNNING and _silent(engine, now):
        found.append(
            (
                Trouble.DEAD_ENGINE,
                (
                    "The engine that holds it is not heard of: the next engine that starts goes on "
                    "with it where it stands."
                ),
            )
        )
    for step in steps:
        if step.state is StepState.HELD:
            hook = step.said.split()[1]
            found.append(
                (
                    Trouble.HELD,
                    (
                        f"{step.resource} is held: `mantle stack clear-hook STACK {step.resource} "
                        f"{hook}` lets it go on."
                    ),
                )
            )
        elif step.until is not None and now > step.until:
            found.append(
                (Trouble.OVERDUE, f"{step.key!r} is past its time and will fail when next seen.")
            )
    running = [step.since for step in steps if step.state is StepState.RUNNING and step.since]
    if running and now - max(running) > QUIET_SECONDS:
        found.append(
            (
                Trouble.QUIET,
                (
                    f"Nothing new was begun for {(now - max(running)) / 60:.0f} minutes; "
                    "`mantle stack cancel` ends the wait."
                ),
            )
        )
    return found


def _silent(engine: Engine | None, now: float) -> bool:
    return engine is None or engine.beat_at is None or now - engine.beat_at > SILENT_SECONDS


def _next(
    operation: OperationRecord,
    behind: OperationRecord | None,
    steps: Sequence[StepView],
    troubles: Sequence[tuple[Trouble, str]],
) -> str:
    if operation.status.ended:
        return f"It has ended: {operation.reason}"
    if behind is not None:
        return "It is planned and begun when the operation before it has ended."
    if operation.cancel is not None:
        back = " and then the stack goes back" if operation.cancel is Cancel.ROLLBACK else ""
        return f"It was asked to end ({operation.cancel}): what runs is finished{back}."
    if any(step.state is StepState.FAILED for step in steps):
        return "A step has failed: what runs is finished, nothing more is begun."
    if any(trouble is Trouble.DEAD_ENGINE for trouble, _ in troubles):
        return "Nothing, until an engine takes it over."
    running = [step.resource for step in steps if step.state is StepState.RUNNING]
    if running:
        shown = ", ".join(running[:3]) + (" …" if len(running) > 3 else "")
        freed = sum(1 for step in steps if step.state is StepState.BLOCKED)
        return f"{shown}: asked again until they are done; {freed} steps wait behind."
    return "The steps that are ready are begun."
