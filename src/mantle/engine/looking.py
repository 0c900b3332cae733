"""How a step's asking goes, kept for whoever wants to know why it takes long.

A step that is done within a few calls leaves nothing behind. One that meets errors is told at each
of them, one that merely waits now and then: a disk flush for every poll of every step would cost
more than it tells.
"""

from dataclasses import dataclass

from mantle.model.ids import OperationId, StepKey
from mantle.model.interventions import Look

TELL_SECONDS = 30.0
"""Between two accounts of a wait that goes as it went before."""

LONG_SECONDS = 4.0
"""A pause that is worth telling the first time already."""

TOLD_AFTER = 4
"""Calls after which a wait is long enough to be told."""


@dataclass(slots=True)
class Looking:
    """Of one step, since this engine began with it. Times are seconds since the epoch."""

    operation_id: OperationId
    step: StepKey
    calls: int = 0
    errors: int = 0
    last_error: str = ""
    error_at: float | None = None
    told_at: float | None = None
    told_errors: int = 0

    def refused(self, message: str, now: float) -> None:
        """A call failed and is to be tried again."""
        self.calls += 1
        self.errors += 1
        self.last_error, self.error_at = message, now

    def answered(self) -> None:
        """A call was answered."""
        self.calls += 1
        self.errors = 0

    def account(self, now: float, pause_seconds: float) -> Look | None:
        """What is to be written before this pause; None when that was told already."""
        changed = self.errors or self.told_errors
        if not changed:
            if self.told_at is None and self.calls < TOLD_AFTER and pause_seconds < LONG_SECONDS:
                return None
            if self.told_at is not None and now - self.told_at < TELL_SECONDS:
                return None
        self.told_at, self.told_errors = now, self.errors
        return Look(
            operation_id=self.operation_id,
            step=self.step,
            calls=self.calls,
            errors=self.errors,
            last_error=self.last_error,
            error_at=self.error_at,
            looked_at=now,
            pause_seconds=pause_seconds,
        )
