"""Snapshots of stacks: what a stack was, to return to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mantle.model.ids import OperationId, StackId
from mantle.model.status import Status
from mantle.store import contents as content_rows
from mantle.store.contents import Content
from mantle.store.sealed import opened, placed
from mantle.store.tables.snapshots import snapshots


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotRecord:
    """One snapshot. Times are seconds since the epoch."""

    id: str
    stack_id: StackId
    operation_id: OperationId
    """The operation that takes it."""
    name: str | None
    status: Status
    reason: str
    source_id: str
    """The template, environment and files that restoring returns to."""
    data: Mapping[str, Any]
    """The stack as a document, as export gives it."""
    created_at: float
    contents: tuple[Content, ...] = ()
    """What it keeps on clouds; filled in by whoever shows it."""


def add(connection: Connection, snapshot: SnapshotRecord) -> None:
    """Store a snapshot that is being taken."""
    connection.execute(
        insert(snapshots),
        placed(
            "snapshots",
            {
                "id": snapshot.id,
                "stack_id": snapshot.stack_id,
                "operation_id": snapshot.operation_id,
                "name": snapshot.name,
                "status": snapshot.status,
                "reason": snapshot.reason,
                "source_id": snapshot.source_id,
                "data": dict(snapshot.data),
                "created_at": snapshot.created_at,
            },
        ),
    )


def of_stack(connection: Connection, stack_id: StackId) -> list[SnapshotRecord]:
    """The oldest first."""
    query = select(snapshots).where(snapshots.c.stack_id == stack_id)
    return [_record(row) for row in connection.execute(query.order_by(snapshots.c.created_at))]


def get(connection: Connection, stack_id: StackId, snapshot_id: str) -> SnapshotRecord | None:
    """One snapshot of this stack."""
    row = connection.execute(
        select(snapshots).where(snapshots.c.stack_id == stack_id, snapshots.c.id == snapshot_id)
    ).first()
    return _record(row) if row else None


def stack_of(connection: Connection, snapshot_id: str) -> StackId | None:
    """Whose snapshot it is."""
    query = select(snapshots.c.stack_id).where(snapshots.c.id == snapshot_id)
    return connection.scalar(query)


def count(connection: Connection, stack_id: StackId) -> int:
    """How many a stack has."""
    query = select(func.count()).where(snapshots.c.stack_id == stack_id)
    return connection.scalar(query) or 0


def settle(connection: Connection, operation_id: OperationId, status: Status, reason: str) -> None:
    """The operation that took it has ended."""
    connection.execute(
        update(snapshots)
        .where(snapshots.c.operation_id == operation_id)
        .values(status=status, reason=reason)
    )


def drop(
    connection: Connection,
    stack_id: StackId,
    snapshot_id: str | None = None,
    *,
    abandoned: bool = False,
) -> list[str]:
    """Forget one snapshot of a stack, or all; the answer is the sources they named.

    What they kept on clouds is deleted afterwards, unless the stack was abandoned.
    """
    chosen = snapshots.c.stack_id == stack_id
    if snapshot_id is not None:
        chosen &= snapshots.c.id == snapshot_id
    query = select(snapshots.c.id, snapshots.c.source_id).where(chosen)
    named = connection.execute(query).all()
    ids = [row.id for row in named]
    (content_rows.let_be if abandoned else content_rows.leave)(connection, ids)
    connection.execute(delete(snapshots).where(snapshots.c.id.in_(ids)))
    return [row.source_id for row in named]


def _record(row: Row[Any]) -> SnapshotRecord:
    mapping = row._mapping  # noqa: SLF001 - its public name in SQLAlchemy
    return SnapshotRecord(
        id=row.id,
        stack_id=row.stack_id,
        operation_id=row.operation_id,
        name=row.name,
        status=Status(row.status),
        reason=row.reason,
        source_id=row.source_id,
        data=opened("snapshots", dict(mapping))["data"],
        created_at=row.created_at,
    )
