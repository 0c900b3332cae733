"""How often steps under way have asked, and what the watchdog found."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mantle.model.ids import OperationId, ProjectId, StepKey
from mantle.model.interventions import Look, Stuck
from mantle.store.tables.interventions import looks, stuck
from mantle.store.tables.stacks import operations


def save(connection: Connection, look: Look) -> None:
    """The newest of a step."""
    values = {name: getattr(look, name) for name in Look.__dataclass_fields__}
    mine = (looks.c.operation_id == look.operation_id) & (looks.c.step == look.step)
    if not connection.execute(update(looks).where(mine).values(values)).rowcount:
        connection.execute(insert(looks), values)


def of_operation(connection: Connection, operation_id: OperationId) -> dict[StepKey, Look]:
    """By step."""
    query = select(looks).where(looks.c.operation_id == operation_id)
    return {
        StepKey(row.step): Look(**row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
        for row in connection.execute(query)
    }


def drop(connection: Connection, operation_id: OperationId, step: StepKey | None = None) -> None:
    """Of a step that has ended, or of the whole operation."""
    chosen = looks.c.operation_id == operation_id
    if step is not None:
        chosen &= looks.c.step == step
    connection.execute(delete(looks).where(chosen))


# --- what is stuck ---------------------------------------------------------------------------


def mark(connection: Connection, found: Stuck) -> None:
    """An operation cannot go on, for these reasons."""
    values: dict[str, Any] = {
        name: getattr(found, name) for name in Stuck.__dataclass_fields__ if name != "reasons"
    }
    values["reasons"] = [list(reason) for reason in found.reasons]
    clear(connection, found.operation_id)
    connection.execute(insert(stuck), values)


def clear(connection: Connection, operation_id: OperationId) -> None:
    """It moves again, or has ended."""
    connection.execute(delete(stuck).where(stuck.c.operation_id == operation_id))


def stuck_of(connection: Connection, operation_id: OperationId) -> Stuck | None:
    """What is wrong with one operation."""
    row = connection.execute(select(stuck).where(stuck.c.operation_id == operation_id)).first()
    return None if row is None else _stuck(row)


def all_stuck(
    connection: Connection, project_id: ProjectId | None = None
) -> Mapping[OperationId, Stuck]:
    """Every marked operation, or those of one project."""
    query = select(stuck)
    if project_id is not None:
        query = query.where(stuck.c.project_id == project_id)
    found = [_stuck(row) for row in connection.execute(query)]
    return {each.operation_id: each for each in found}


def forget_ended(connection: Connection) -> int:
    """Marks of operations that have ended or are gone."""
    live = select(operations.c.id).where(operations.c.status.in_(("queued", "running")))
    return connection.execute(delete(stuck).where(stuck.c.operation_id.not_in(live))).rowcount


def count_stuck(connection: Connection) -> int:
    """For those who only want to know whether there is any."""
    return int(connection.scalar(select(func.count()).select_from(stuck)) or 0)


def _stuck(row: Row[Any]) -> Stuck:
    return Stuck(
        operation_id=row.operation_id,
        stack_id=row.stack_id,
        project_id=row.project_id,
        since=row.since,
        reasons=tuple((kind, StepKey(step), said) for kind, step, said in row.reasons),
    )
