"""The states a stack, a resource and an operation can be in.

Actions and statuses carry Heat's names, because its clients compare them as text
(`CREATE_COMPLETE`). Source: the Heat API, `stack_status` and `resource_status`.
"""

from enum import StrEnum


class Action(StrEnum):
    """What is being done, or was done last."""

    INIT = "INIT"
    CREATE = "CREATE"
    UPDATE = "UPDATE"
    DELETE = "DELETE"
    ROLLBACK = "ROLLBACK"
    CHECK = "CHECK"
    SUSPEND = "SUSPEND"
    RESUME = "RESUME"
    SNAPSHOT = "SNAPSHOT"
    RESTORE = "RESTORE"
    ADOPT = "ADOPT"
    SIGNAL = "SIGNAL"


class Status(StrEnum):
    """How far the action has come."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETE = "COMPLETE"
    FAILED = "FAILED"


class OperationStatus(StrEnum):
    """Where a durable operation stands."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True once nothing more will happen."""
        return self in {self.COMPLETE, self.FAILED, self.CANCELLED}


class Cancel(StrEnum):
    """What a person asked of a running operation."""

    STOP = "stop"
    """Start no further step; steps under way run to their end."""
    ROLLBACK = "rollback"
    """The same, then return to the state before the operation."""
    SUPERSEDE = "supersede"
    """A newer operation waits: stop, and let it plan from what is there."""
    INTERRUPT = "interrupt"
    """A delete waits: stop, and give up waits under way as well."""


def state(action: Action | str, status: Status | str) -> str:
    """Heat's combined name, such as `CREATE_COMPLETE`."""
    return f"{action}_{status}"
