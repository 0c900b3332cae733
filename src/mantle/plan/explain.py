"""Why an operation is where it is: who holds it, what each step waits for, what comes next.

Pure: from the rows to words. What is said is read from what is durable, so that any process can
explain an operation that another carries out, or that none does.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mantle.model.ids import OperationId, ResourceId, StepKey
from mantle.model.interventions import Intervention, Look, Verb
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.records import OperationRecord, ResourceRecord
from mantle.model.status import Action, Cancel, OperationStatus, Status
from mantle.plan.interventions import (
    Stage,
    Standing,
    StepState,
    helpful,
    helpful_whole,
    removes,
    standing,
)
from mantle.plan.watchdog import (
    Engine,
    Patience,
    Progress,
    Reason,
    Trouble,
    Watched,
    find_stuck,
)

__all__ = [
    "Engine",
    "Explanation",
    "StepState",
    "StepView",
    "Trouble",
    "explain",
    "progress_of",
    "views_of",
]

QUIET_SECONDS = 900.0
"""An operation none of whose steps has moved for so long is worth a look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepView:
    """One step. Times are seconds since the epoch."""

    key: StepKey
    state: StepState
    resource: str
    said: str
    """What it waits for, what failed, or what it will do."""
    since: float | None = None
    """When it was begun; of one that waits for others, when its operation was."""
    until: float | None = None
    """When it fails for want of time."""
    waits_for: tuple[StepKey, ...] = ()
    """Steps that must be complete before it."""
    calls: int = 0
    """How often it has asked its cloud, as far as that was told."""
    errors: int = 0
    """Calls in a row that were refused."""
    last_error: str = ""
    error_at: float | None = None
    next_look_at: float | None = None
    """When it asks again."""
    inner: OperationId | None = None
    """The operation of the stack inside that does the work."""
    verbs: tuple[Verb, ...] = ()
    """What may be done to it."""


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
    stuck: tuple[Reason, ...] = ()
    """The troubles that nothing ends by itself."""
    lease_age_seconds: float | None = None
    """Since whoever holds it was last heard of."""
    verbs: tuple[Verb, ...] = ()
    """What may be done to the operation as a whole."""
    interventions: tuple[Intervention, ...] = ()
    """What was asked of it, the oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is stored about an operation, besides its plan and rows."""

    held: Sequence[tuple[str, str, float]] = ()
    """The hooks that hold it: resource, hook, since when."""
    interventions: Sequence[Intervention] = ()
    looks: Mapping[StepKey, Look] = field(default_factory=dict)
    wait_until: Mapping[ResourceId, float] = field(default_factory=dict)
    """When the time of wait conditions is over, by row."""
    refusal: str = ""
    """Why an operation that has ended badly cannot go on; empty when it can."""


def explain(
    operation: OperationRecord,
    *,
    engine: Engine | None,
    behind: OperationRecord | None,
    plan: Plan | None,
    rows: Mapping[ResourceId, ResourceRecord],
    held: Sequence[tuple[str, str, float]],
    now: float,
    known: Known | None = None,
    patience: Patience | None = None,
) -> Explanation:
    """`held` are the hooks that hold it: resource, hook, since when."""
    known = Known() if known is None else known
    steps: tuple[StepView, ...] = ()
    if plan is not None:
        steps = views_of(
            operation,
            plan,
            rows,
            held=held,
            interventions=known.interventions,
            looks=known.looks,
            now=now,
        )
        if known.refusal:
            steps = tuple(_without_verbs(view) for view in steps)
    watched = Watched(
        operation=operation,
        engine=engine,
        waits_since=waits_since(operation, known.interventions),
        behind=None if behind is None else behind.id,
        steps=() if plan is None else progress_of(plan, steps, known.looks, known.wait_until),
        moved_at=max((row.updated_at or 0.0 for row in rows.values()), default=None),
        held={resource: (hook, since) for resource, hook, since in held},
    )
    stuck = find_stuck(watched, now, patience or Patience())
    troubles: tuple[tuple[Trouble, str], ...] = ()
    if not operation.status.ended:
        troubles = tuple(_troubles(behind, steps, now))
        troubles += tuple((reason.kind, reason.said) for reason in stuck)
    return Explanation(
        operation=operation,
        engine=engine,
        behind=behind,
        steps=steps,
        troubles=troubles,
        next=_next(operation, behind, steps, troubles, known),
        stuck=stuck,
        lease_age_seconds=None
        if engine is None or engine.beat_at is None
        else max(0.0, now - engine.beat_at),
        verbs=() if known.refusal else helpful_whole(stage_of(operation)),
        interventions=tuple(known.interventions),
    )


def stage_of(operation: OperationRecord) -> Stage:
    """How far it is."""
    if not operation.status.ended:
        return Stage.LIVE
    return Stage.ENDED_WELL if operation.status is OperationStatus.COMPLETE else Stage.ENDED_BADLY


def waits_since(operation: OperationRecord, interventions: Sequence[Intervention]) -> float:
    """Since when an engine could have taken it: it was made, taken over, or made to go on then."""
    moments = [each.asked_at for each in interventions if each.honoured]
    return max([operation.created_at, *moments])


# --- steps -----------------------------------------------------------------------------------


def views_of(
    operation: OperationRecord,
    plan: Plan,
    rows: Mapping[ResourceId, ResourceRecord],
    *,
    held: Sequence[tuple[str, str, float]] = (),
    interventions: Sequence[Intervention] = (),
    looks: Mapping[StepKey, Look] | None = None,
    now: float = 0.0,
) -> tuple[StepView, ...]:
    """Every step of the plan, in its order."""
    hooks = {resource: (hook, since) for resource, hook, since in held}
    stands = standing(plan, interventions)
    settled: set[StepKey] = set()
    views = []
    for step in plan.steps:
        view = _view(operation, plan, step, rows.get(step.resource_id), hooks, settled, stands)
        if view.state in {StepState.DONE, StepState.SKIPPED}:
            settled.add(step.key)
        elif looks and view.state is StepState.RUNNING and step.key in looks:
            view = _looked(view, looks[step.key], now)
        views.append(view)
    return tuple(views)


def _view(
    operation: OperationRecord,
    plan: Plan,
    step: Step,
    row: ResourceRecord | None,
    hooks: Mapping[str, tuple[str, float]],
    settled: set[StepKey],
    stands: Standing,
) -> StepView:
    missing = tuple(key for key in step.requires if key not in settled)
    state, said = _state(operation, plan, step, row, missing)
    if step.key in stands.skipped:
        state, said = StepState.SKIPPED, stands.skipped[step.key]
    elif step.key in stands.cancelled and state in {StepState.READY, StepState.BLOCKED}:
        state, said = StepState.FAILED, stands.cancelled[step.key]
    since = None
    if state is StepState.RUNNING and row is not None:
        since = row.started_at
    elif state in {StepState.READY, StepState.BLOCKED}:
        since = operation.started_at
    if step.resource in hooks and state not in {StepState.DONE, StepState.SKIPPED}:
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
        verbs=helpful(stage_of(operation), state, binds=plan.binds),
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
        over = operation.status is OperationStatus.COMPLETE or removes(plan, step)
        return (StepState.DONE, "done") if over else (StepState.READY, step.reason)
    if row.plan_id == plan.id and row.action is Action.CHECK and plan.action is not Action.CHECK:
        return StepState.DONE, row.reason  # marked since: healthy or not, it was done
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


def _looked(view: StepView, look: Look, now: float) -> StepView:
    """With how its asking goes. A wait is told now and then: the next look is reckoned from it."""
    due = look.looked_at + look.pause_seconds
    if look.pause_seconds > 0 and due < now:
        due += math.ceil((now - due) / look.pause_seconds) * look.pause_seconds
    return StepView(
        key=view.key,
        state=view.state,
        resource=view.resource,
        said=view.said,
        since=view.since,
        until=view.until,
        waits_for=view.waits_for,
        calls=look.calls,
        errors=look.errors,
        last_error=look.last_error,
        error_at=look.error_at,
        next_look_at=due if look.pause_seconds > 0 else None,
        inner=look.inner,
        verbs=tuple(verb for verb in view.verbs if verb is not Verb.RETRY)
        if look.inner is not None
        else view.verbs,
    )


def _without_verbs(view: StepView) -> StepView:
    return StepView(
        key=view.key,
        state=view.state,
        resource=view.resource,
        said=view.said,
        since=view.since,
        until=view.until,
        waits_for=view.waits_for,
    )


def progress_of(
    plan: Plan,
    views: Sequence[StepView],
    looks: Mapping[StepKey, Look],
    wait_until: Mapping[ResourceId, float],
) -> tuple[Progress, ...]:
    """What the watchdog needs to know of the steps that are not done."""
    return tuple(
        Progress(
            key=view.key,
            resource=view.resource,
            state=view.state,
            since=view.since,
            until=view.until,
            wait_until=wait_until.get(step.resource_id),
            look=looks.get(view.key),
        )
        for step, view in zip(plan.steps, views, strict=True)
        if view.state not in {StepState.DONE, StepState.SKIPPED}
    )


# --- troubles --------------------------------------------------------------------------------


def _troubles(
    behind: OperationRecord | None, steps: Sequence[StepView], now: float
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
    running = [step.since for step in steps if step.state is StepState.RUNNING and step.since]
    if running and now - max(running) > QUIET_SECONDS:
        found.append(
            (
                Trouble.QUIET,
                (
                    f"Nothing new was begun for {(now - max(running)) / 60:.0f} minutes; "
                    "`mantle operation cancel` ends the wait."
                ),
            )
        )
    return found


def _next(
    operation: OperationRecord,
    behind: OperationRecord | None,
    steps: Sequence[StepView],
    troubles: Sequence[tuple[Trouble, str]],
    known: Known,
) -> str:
    if operation.status.ended:
        return _after_the_end(operation, known)
    if behind is not None:
        return "It is planned and begun when the operation before it has ended."
    asked = [each for each in known.interventions if each.settled_at is None]
    if asked:
        said = ", ".join(f"{each.verb} {each.step or 'of the operation'}" for each in asked[:3])
        return f"It does what was asked of it: {said}."
    if operation.cancel is not None:
        back = " and then the stack goes back" if operation.cancel is Cancel.ROLLBACK else ""
        return f"It was asked to end ({operation.cancel}): what runs is finished{back}."
    kinds = {trouble for trouble, _ in troubles}
    if Trouble.DEAD_ENGINE in kinds or Trouble.NO_ENGINE in kinds:
        return "Nothing, until an engine takes it over."
    running = [step for step in steps if step.state is StepState.RUNNING]
    if any(step.state is StepState.FAILED for step in steps) and not running:
        return "A step has failed: what runs is finished, nothing more is begun."
    if running:
        shown = ", ".join(step.resource for step in running[:3])
        shown += " …" if len(running) > 3 else ""
        freed = sum(1 for step in steps if step.state is StepState.BLOCKED)
        return f"{shown}: asked again until they are done; {freed} steps wait behind."
    return "The steps that are ready are begun."


def _after_the_end(operation: OperationRecord, known: Known) -> str:
    said = f"It has ended: {operation.reason.rstrip('.')}"
    if stage_of(operation) is not Stage.ENDED_BADLY:
        return said
    if known.refusal:
        return f"{said}. It cannot go on: {known.refusal}"
    return f"{said}. `mantle operation retry {operation.id}` goes on from its failed steps."
