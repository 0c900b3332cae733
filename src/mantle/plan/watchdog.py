"""What cannot go on: decided from rows, with the time as an argument.

An operation is stuck when nothing that anybody does not do will bring it further, or when it has
waited for longer than it should. Each reason names the step and what frees it. A reason is gone
when its cause is: nothing is remembered here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mantle.model.ids import OperationId, StepKey
from mantle.model.interventions import WHOLE, Look
from mantle.model.records import OperationRecord
from mantle.model.release import OPERATION_FORMAT
from mantle.model.status import OperationStatus
from mantle.plan.interventions import StepState


class Trouble(StrEnum):
    """Why an operation cannot go on, or may not."""

    NO_ENGINE = "no-engine"
    DEAD_ENGINE = "dead-engine"
    OVERDUE = "overdue"
    WAIT_OVER = "wait-over"
    """A wait condition's own time has passed, and nobody has seen it."""
    HUNG = "hung"
    """A call to the cloud has not come back."""
    RETRYING = "retrying"
    """Call after call is refused."""
    BEHIND_FAILED = "behind-failed"
    """What is left waits for steps that have failed."""
    HELD_LONG = "held-long"
    QUIET = "quiet"
    HELD = "held"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each thing may take before it is told. Times in seconds."""

    engine_silent: float = 30.0
    """An engine that has not been heard of for so long is taken for gone."""
    overdue: float = 30.0
    """After a step's time is over; it fails when next looked at."""
    hung: float = 300.0
    hook: float = 3600.0
    failed: float = 60.0
    errors: int = 10
    """Refused calls in a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """Who holds an operation."""

    id: str
    host: str = ""
    beat_at: float | None = None
    """When it was last heard of; None when nothing is known of it any more."""
    started_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One step that is not done, as far as the watchdog needs to know it."""

    key: StepKey
    resource: str
    state: StepState
    since: float | None = None
    until: float | None = None
    """When its time is over."""
    wait_until: float | None = None
    """When the time of the condition it waits for is over."""
    look: Look | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One operation."""

    operation: OperationRecord
    engine: Engine | None
    waits_since: float
    """Since when it could have been taken by an engine."""
    behind: OperationId | None = None
    steps: Sequence[Progress] = ()
    moved_at: float | None = None
    """When one of its rows was written last."""
    held: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    """Hooks that hold it: by resource, which and since when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One thing that is wrong, and what frees it."""

    kind: Trouble
    step: StepKey = WHOLE
    said: str


def silent(engine: Engine | None, now: float, patience: Patience) -> bool:
    """Whether nothing is heard of whoever holds it."""
    if engine is None or engine.beat_at is None:
        return True
    return now - engine.beat_at > patience.engine_silent


def find_stuck(watched: Watched, now: float, patience: Patience) -> tuple[Reason, ...]:
    """Everything that keeps it; empty when it goes on, or has ended."""
    operation = watched.operation
    if operation.status.ended:
        return ()
    if operation.status is OperationStatus.QUEUED:
        return tuple(_untaken(watched, now, patience))
    found: list[Reason] = []
    gone = silent(watched.engine, now, patience)
    if gone:
        found.append(
            Reason(
                kind=Trouble.DEAD_ENGINE,
                said="The engine that holds it is not heard of: "
                f"`mantle operation take-over {operation.id}` goes on with it where it stands.",
            )
        )
    for step in watched.steps:
        found += _of_step(watched, step, now, patience, gone=gone)
    found += _held(watched, now, patience)
    if not gone and not found:
        found += _behind_failed(watched, now, patience)
    return tuple(found)


def _untaken(watched: Watched, now: float, patience: Patience) -> list[Reason]:
    if watched.behind is not None or now - watched.waits_since <= patience.engine_silent:
        return []
    if watched.operation.format > OPERATION_FORMAT:
        newer = (
            f"A newer release has accepted it (format {watched.operation.format}; this one knows "
            f"formats up to {OPERATION_FORMAT}): it waits for an engine of that release. "
            "Start one; older engines may go on beside it."
        )
        return [Reason(kind=Trouble.NO_ENGINE, said=newer)]
    said = (
        "No engine has taken it: see whether one runs (`/readyz`) and has room; "
        f"`mantle operation take-over {watched.operation.id}` offers it anew."
    )
    return [Reason(kind=Trouble.NO_ENGINE, said=said)]


def _of_step(
    watched: Watched, step: Progress, now: float, patience: Patience, *, gone: bool
) -> list[Reason]:
    """What is wrong with one step under way; only the first, as the others follow from it."""
    if step.state is not StepState.RUNNING:
        return []
    name, operation = str(step.key), watched.operation.id
    if step.until is not None and now > step.until + patience.overdue:
        late = f"{name!r} is past its time by {(now - step.until) / 60:.0f} minutes"
        return [
            Reason(
                kind=Trouble.OVERDUE,
                step=step.key,
                said=f"{late}: `mantle operation retry {operation} {name!r}` begins it anew.",
            )
        ]
    if step.wait_until is not None and now > step.wait_until + patience.overdue:
        return [
            Reason(
                kind=Trouble.WAIT_OVER,
                step=step.key,
                said=f"{name!r} waits although the condition's own time is over: "
                f"`mantle operation cancel {operation} {name!r}` ends it.",
            )
        ]
    if gone:
        return []
    look = step.look
    if look is not None and look.errors >= patience.errors:
        return [
            Reason(
                kind=Trouble.RETRYING,
                step=step.key,
                said=f"{name!r} was refused {look.errors} times in a row: {look.last_error} "
                "Mend that, or skip or cancel the step.",
            )
        ]
    asked = _asked_last(watched, step)
    if asked is not None and now > asked + patience.hung:
        return [
            Reason(
                kind=Trouble.HUNG,
                step=step.key,
                said=f"A call of {name!r} has not come back for {(now - asked) / 60:.0f} minutes: "
                f"`mantle operation retry {operation} {name!r}` calls again, or "
                f"`mantle operation take-over {operation}`.",
            )
        ]
    return []


def _asked_last(watched: Watched, step: Progress) -> float | None:
    """When its call under way was due at the latest; None when another operation does the work."""
    look = step.look
    if look is not None and look.inner is not None:
        return None
    due = step.since if look is None else look.looked_at + look.pause_seconds
    if due is None:
        return None
    # Who took it over has begun anew; what is kept of the earlier holder tells nothing.
    began = watched.engine.started_at if watched.engine is not None else None
    return max(due, began or 0.0, watched.waits_since)


def _held(watched: Watched, now: float, patience: Patience) -> list[Reason]:
    return [
        Reason(
            kind=Trouble.HELD_LONG,
            said=f"The {hook} hook of {resource} has held it for {(now - since) / 60:.0f} minutes: "
            f"`mantle stack clear-hook STACK {resource} {hook}`, or cancel the step.",
        )
        for resource, (hook, since) in watched.held.items()
        if now - since > patience.hook
    ]


def _behind_failed(watched: Watched, now: float, patience: Patience) -> list[Reason]:
    states = {step.state for step in watched.steps}
    busy = {StepState.RUNNING, StepState.HELD} & states or watched.held
    left = {StepState.READY, StepState.BLOCKED} & states
    if busy or not left or StepState.FAILED not in states:
        return []
    if watched.moved_at is None or now - watched.moved_at <= patience.failed:
        return []
    failed = [step.key for step in watched.steps if step.state is StepState.FAILED]
    return [
        Reason(
            kind=Trouble.BEHIND_FAILED,
            step=failed[0],
            said=f"What is left waits for {', '.join(map(repr, map(str, failed[:3])))}, which has "
            "failed: retry or skip it.",
        )
    ]
