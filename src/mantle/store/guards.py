"""Guards of stacks."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mantle.model.guards import StackGuard
from mantle.model.ids import ProjectId, StackId
from mantle.store.tables.plans import stack_guards


def get(connection: Connection, stack_id: StackId, project_id: ProjectId) -> StackGuard:
    """The stack's guard; one that guards nothing when none was set."""
    row = connection.execute(
        select(stack_guards).where(stack_guards.c.stack_id == stack_id)
    ).first()
    return _guard(row) if row else StackGuard(stack_id=stack_id, project_id=project_id)


def save(connection: Connection, guard: StackGuard) -> bool:
    """Write it as the next version; false when another has written meanwhile."""
    values = {name: getattr(guard, name) for name in StackGuard.__dataclass_fields__}
    values["version"] = guard.version + 1
    if guard.version == 0:
        known = select(stack_guards.c.stack_id).where(stack_guards.c.stack_id == guard.stack_id)
        if connection.execute(known).first() is not None:
            return False
        connection.execute(insert(stack_guards), values)
        return True
    done = connection.execute(
        update(stack_guards)
        .where(stack_guards.c.stack_id == guard.stack_id, stack_guards.c.version == guard.version)
        .values(values)
    )
    return bool(done.rowcount)


def drop(connection: Connection, stack_id: StackId) -> None:
    """The stack is gone."""
    connection.execute(delete(stack_guards).where(stack_guards.c.stack_id == stack_id))


_ENDING = (
    select(stack_guards)
    .where(stack_guards.c.expires_at.is_not(None))
    .order_by(stack_guards.c.expires_at)
)


def ending(connection: Connection) -> list[StackGuard]:
    """Every guard with an end, the nearest first."""
    return [_guard(row) for row in connection.execute(_ENDING)]


def _guard(row: Row[Any]) -> StackGuard:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    values["leads"] = tuple(values["leads"])
    values["warned"] = tuple(values["warned"])
    return StackGuard(**values)
