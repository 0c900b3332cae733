"""Interventions: rows that an engine reads while it performs an operation."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from mantle.model.ids import OperationId
from mantle.model.interventions import Intervention, Verb
from mantle.store.tables.interventions import interventions


def add(connection: Connection, intervention: Intervention) -> None:
    """Store a new one; its sequence says which came first."""
    values = {name: getattr(intervention, name) for name in Intervention.__dataclass_fields__}
    connection.execute(insert(interventions), values)


# Asked with every operation, and so built once.
_OF_OPERATION = (
    select(interventions)
    .where(interventions.c.operation_id == bindparam("of"))
    .order_by(interventions.c.sequence)
)
_OPEN = _OF_OPERATION.where(interventions.c.settled_at.is_(None))


def of_operation(connection: Connection, operation_id: OperationId) -> list[Intervention]:
    """All of an operation, in the order they came."""
    return [_of(row) for row in connection.execute(_OF_OPERATION, {"of": operation_id})]


def open_of(connection: Connection, operation_id: OperationId) -> list[Intervention]:
    """Those that nothing came of yet."""
    return [_of(row) for row in connection.execute(_OPEN, {"of": operation_id})]


def settle(
    connection: Connection,
    intervention_id: str,
    now: float,
    outcome: str,
    *,
    honoured: bool = True,
    resources: Collection[str] = (),
) -> None:
    """It was done, or came too late."""
    connection.execute(
        update(interventions)
        .where(interventions.c.id == intervention_id, interventions.c.settled_at.is_(None))
        .values(settled_at=now, outcome=outcome, honoured=honoured, resources=sorted(resources))
    )


def close(connection: Connection, operation_id: OperationId, now: float) -> None:
    """The operation has ended: whatever is open came too late."""
    connection.execute(
        update(interventions)
        .where(interventions.c.operation_id == operation_id, interventions.c.settled_at.is_(None))
        .values(settled_at=now, outcome="came too late: the operation had ended", honoured=False)
    )


def drop(connection: Connection, operation_ids: list[str]) -> None:
    """With their operations."""
    connection.execute(delete(interventions).where(interventions.c.operation_id.in_(operation_ids)))


def _of(row: Row[Any]) -> Intervention:
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    del values["sequence"]
    values["verb"] = Verb(values["verb"])
    values["resources"] = tuple(values["resources"])
    return Intervention(**values)
