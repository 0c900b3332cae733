"""Held hooks: one row for each hook that an operation has come to."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mantle.model.ids import OperationId, StackId
from mantle.store.tables.hooks import hooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A hook that an operation has come to. Times are seconds since the epoch."""

    operation_id: OperationId
    stack_id: StackId
    resource: str
    hook: str
    held_at: float
    cleared_at: float | None = None
    cleared_by: str | None = None


def hold(connection: Connection, held: Held) -> None:
    """The operation waits here from now on."""
    connection.execute(
        insert(hooks),
        {
            "operation_id": held.operation_id,
            "stack_id": held.stack_id,
            "resource": held.resource,
            "hook": held.hook,
            "held_at": held.held_at,
        },
    )


def get(connection: Connection, operation_id: OperationId, resource: str, hook: str) -> Held | None:
    """Whether the operation has come to this hook before, and whether it was let go."""
    row = connection.execute(
        select(hooks).where(
            hooks.c.operation_id == operation_id,
            hooks.c.resource == resource,
            hooks.c.hook == hook,
        )
    ).first()
    return _held(row) if row else None


def waiting(connection: Connection, stack_id: StackId) -> list[Held]:
    """The hooks of a stack that nobody has cleared, the oldest first."""
    query = select(hooks).where(hooks.c.stack_id == stack_id, hooks.c.cleared_at.is_(None))
    return [_held(row) for row in connection.execute(query.order_by(hooks.c.held_at))]


def clear(connection: Connection, held: Held, now: float, user: str) -> bool:
    """Let it go on; false when somebody was faster."""
    done = connection.execute(
        update(hooks)
        .where(
            hooks.c.operation_id == held.operation_id,
            hooks.c.resource == held.resource,
            hooks.c.hook == held.hook,
            hooks.c.cleared_at.is_(None),
        )
        .values(cleared_at=now, cleared_by=user)
    )
    return bool(done.rowcount)


def _held(row: Row[Any]) -> Held:
    return Held(
        operation_id=row.operation_id,
        stack_id=row.stack_id,
        resource=row.resource,
        hook=row.hook,
        held_at=row.held_at,
        cleared_at=row.cleared_at,
        cleared_by=row.cleared_by,
    )


def leave(connection: Connection, operation_id: OperationId, resource: str) -> None:
    """The step that came to these hooks was stopped: they hold nothing."""
    mine = (hooks.c.operation_id == operation_id) & (hooks.c.resource == resource)
    connection.execute(delete(hooks).where(mine & hooks.c.cleared_at.is_(None)))


def forget(connection: Connection, operation_id: OperationId) -> None:
    """The operation has ended: nothing of it waits any more."""
    connection.execute(delete(hooks).where(hooks.c.operation_id == operation_id))
