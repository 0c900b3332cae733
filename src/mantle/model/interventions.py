"""What a person asks of an operation or of one of its steps: retry, skip, take over, cancel.

An intervention is a row before anything is done about it. The engine that performs the operation
reads it, does it, and writes what came of it in the same transaction; so it is done once, also when
the engine dies in between.
"""

from dataclasses import dataclass
from enum import StrEnum

from mantle.model.ids import OperationId, PlanId, ProjectId, StackId, StepKey

WHOLE = StepKey("")
"""Instead of a step: the operation itself."""


class Verb(StrEnum):
    """What is asked."""

    RETRY = "retry"
    """Do it again: a step from where it stands, an operation that ended badly from its failures."""
    SKIP = "skip"
    """Go on without the step; what it was to do is left undone, and its row says so."""
    TAKE_OVER = "take-over"
    """Fence off whoever performs the operation, and go on here from what is stored."""
    CANCEL = "cancel"
    """Stop the step, which fails; or the operation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervention:
    """One of these, by one person, with what came of it. Times are seconds since the epoch."""

    id: str
    operation_id: OperationId
    stack_id: StackId
    project_id: ProjectId
    plan_id: PlanId | None = None
    """The plan the step is in: an operation that plans again has other steps of the same key."""
    step: StepKey = WHOLE
    verb: Verb
    why: str = ""
    user_id: str = ""
    user_name: str = ""
    asked_at: float
    before: str = ""
    """The state that the step or operation was in, and what it said."""
    carry_on: bool = False
    """Of a cancel: steps that do not need this one are done all the same."""
    now: bool = False
    """Of a cancel of the whole operation: steps under way are stopped as well."""
    settled_at: float | None = None
    honoured: bool = False
    """False for one that came too late, or was no longer possible."""
    outcome: str = ""
    resources: tuple[str, ...] = ()
    """Of a skip that was honoured: what is left as it is, this and what was spared with it."""

    @property
    def by(self) -> str:
        """Who and why, for reasons and events."""
        return f"{self.user_name or 'mantle'}: {self.why}" if self.why else self.user_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How often a step under way has asked its cloud, and when it asks again.

    Kept for steps that take long or meet errors; short ones leave no trace.
    """

    operation_id: OperationId
    step: StepKey
    calls: int = 0
    """Since the engine that performs it began with the step."""
    errors: int = 0
    """Refused or failed calls in a row; 0 when the last one was answered."""
    last_error: str = ""
    error_at: float | None = None
    looked_at: float
    pause_seconds: float = 0.0
    """Until it asks again."""
    inner: OperationId | None = None
    """The operation of the stack inside, which does the work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """What the watchdog found of an operation."""

    operation_id: OperationId
    stack_id: StackId
    project_id: ProjectId
    since: float
    reasons: tuple[tuple[str, StepKey, str], ...]
    """Kind, step (empty for the operation), and what is wrong with the remedy."""
