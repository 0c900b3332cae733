"""Moves as stored, and the rows they move."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import structs
from sqlalchemy import ColumnElement, Connection, Row, delete, func, insert, select, update

from mantle.model.ids import ProjectId, StackId
from mantle.model.moves import MoveRequest, MoveStatus, SavedMove
from mantle.model.records import ResourceRecord
from mantle.store.rows import asker_of, asker_values, resource_values
from mantle.store.sealed import confidential, mark_confidential, opened, placed
from mantle.store.tables.drift import drift_findings, drift_policies
from mantle.store.tables.moves import moves
from mantle.store.tables.plans import saved_plans
from mantle.store.tables.stacks import resources, signals, stacks


def add(connection: Connection, move: SavedMove) -> None:
    """Store a new one."""
    values = {name: getattr(move, name) for name in SavedMove.__dataclass_fields__}
    values["request"] = msgspec.to_builtins(move.request)
    values["made_by"] = asker_values(move.made_by)
    connection.execute(insert(moves), placed("moves", values))


def get(connection: Connection, move_id: str) -> SavedMove | None:
    """By id; the caller checks the project."""
    row = connection.execute(select(moves).where(moves.c.id == move_id)).first()
    return _move(row) if row else None


def listing(connection: Connection, project_id: ProjectId, most: int = 50) -> list[SavedMove]:
    """The project's, newest first."""
    query = select(moves).where(moves.c.project_id == project_id)
    query = query.order_by(moves.c.made_at.desc(), moves.c.id).limit(most)
    return [_move(row) for row in connection.execute(query)]


def count(connection: Connection, project_id: ProjectId) -> int:
    """How many a project keeps."""
    query = select(func.count()).where(moves.c.project_id == project_id)
    return connection.scalar(query) or 0


def applied(connection: Connection, move: SavedMove, now: float) -> bool:
    """Write that it is done; false when it was done or changed meanwhile."""
    done = connection.execute(
        update(moves)
        .where(
            moves.c.id == move.id,
            moves.c.version == move.version,
            moves.c.status == MoveStatus.OPEN,
        )
        .values(status=MoveStatus.APPLIED, applied_at=now, version=move.version + 1)
    )
    return bool(done.rowcount)


def remove(connection: Connection, move_id: str) -> None:
    """Forget it; what it has done stays done."""
    connection.execute(delete(moves).where(moves.c.id == move_id))


def purge(connection: Connection, before: float) -> None:
    """Forget those that were over before this time."""
    connection.execute(delete(moves).where(moves.c.expires_at < before))


# --- what is moved ---------------------------------------------------------------------------


def relocate(connection: Connection, before: ResourceRecord, after: ResourceRecord) -> bool:
    """Write a row's stack, name, needs and notes; false when it has changed meanwhile.

    What is sealed is sealed for its place, and so anew; a secret that comes into a tree of stacks
    makes it confidential.
    """
    there = structs.replace(
        before, stack_id=after.stack_id, name=after.name, requires=after.requires, data=after.data
    )
    stack_ids = {before.stack_id, after.stack_id}
    secret = confidential(connection, stack_ids)
    if before.stack_id in secret:
        root_id = select(stacks.c.root_id).where(stacks.c.id == after.stack_id)
        for each in connection.scalars(root_id).all():
            mark_confidential(connection, each)
    whole = resource_values(there, sealed=bool(secret))
    written = ("stack_id", "name", "requires", "properties", "attributes", "data", "metadata")
    done = connection.execute(
        update(resources)
        .where(resources.c.id == before.id, resources.c.version == before.version)
        .values({name: whole[name] for name in written} | {"version": before.version + 1})
    )
    return bool(done.rowcount)


def bring_along(
    connection: Connection, gone: Sequence[tuple[ResourceRecord, ResourceRecord]]
) -> None:
    """What is kept of resources beside their rows: signals, and what is said of their drift.

    All of them at once, before and after: two may have exchanged their names. The stacks inside
    know their parents by their own rows.
    """
    for before, after in gone:
        connection.execute(
            update(signals)
            .where(signals.c.resource_id == before.id)
            .values(stack_id=after.stack_id)
        )
        connection.execute(
            update(drift_findings)
            .where(drift_findings.c.resource_id == before.id, drift_findings.c.ended_at.is_(None))
            .values(stack_id=after.stack_id, resource=after.name)
        )
    said = [(after, _drift_policies_of(connection, before)) for before, after in gone]
    for before, after in gone:
        for row in (before, after):
            connection.execute(delete(drift_policies).where(_is_about(row)))
    for after, policies in said:
        for policy in policies:
            values = {**policy, "stack_id": after.stack_id, "resource": after.name}
            connection.execute(insert(drift_policies), values)


def _drift_policies_of(connection: Connection, row: ResourceRecord) -> list[dict[str, Any]]:
    found = connection.execute(select(drift_policies).where(_is_about(row)))
    return [dict(each) for each in found.mappings()]


def _is_about(row: ResourceRecord) -> ColumnElement[bool]:
    table = drift_policies.c
    return (table.stack_id == row.stack_id) & (table.resource == row.name)


def rename_plans(connection: Connection, stack_id: StackId, name: str) -> None:
    """Saved plans call their stack by its new name."""
    connection.execute(
        update(saved_plans).where(saved_plans.c.stack_id == stack_id).values(stack_name=name)
    )


def _move(row: Row[Any]) -> SavedMove:
    mapping = row._mapping  # noqa: SLF001 - its public name in SQLAlchemy
    values = opened("moves", dict(mapping))
    values["request"] = msgspec.convert(values["request"], MoveRequest)
    values["status"] = MoveStatus(values["status"])
    values["made_by"] = asker_of(values["made_by"])
    return SavedMove(**values)
