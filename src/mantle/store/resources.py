"""Resource rows."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from mantle.model.ids import ResourceId, StackId
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.store.bulk import insert_rows, update_rows
from mantle.store.rows import RESOURCE_COLUMNS, resource_of, resource_values, resources_of
from mantle.store.sealed import Locked, confidential, open_json, place
from mantle.store.tables.stacks import resources, signals, stacks

_KEPT = ("id", "stack_id", "name", "token", "created_at", "version")
_SAVED = [name for name in RESOURCE_COLUMNS if name not in _KEPT]
_WRITTEN = ("id", *_SAVED)
_SAVE = (
    update(resources)
    .where(resources.c.id == bindparam("row_id"))
    .values({name: bindparam(name) for name in _SAVED} | {"version": resources.c.version + 1})
)


def add(connection: Connection, records: Sequence[ResourceRecord]) -> None:
    """Store new rows."""
    if records:
        sealed = confidential(connection, {record.stack_id for record in records})
        values = [resource_values(each, sealed=each.stack_id in sealed) for each in records]
        insert_rows(connection, resources, values)


def save(connection: Connection, records: Iterable[ResourceRecord]) -> None:
    """Store known rows whole; each write raises the row's version. The last of a row counts."""
    known = list({record.id: record for record in records}.values())
    if not known:
        return
    sealed = confidential(connection, {record.stack_id for record in known})
    rows = []
    for record in known:
        values = resource_values(record, sealed=record.stack_id in sealed)
        rows.append({name: values[name] for name in _WRITTEN})
    if not update_rows(connection, resources, rows, "version"):
        for row in rows:
            row["row_id"] = row.pop("id")
        connection.execute(_SAVE, rows)


_OF_STACK = (
    select(resources)
    .where(resources.c.stack_id == bindparam("of_stack"))
    .order_by(resources.c.created_at, resources.c.name)
)


def of_stack(connection: Connection, stack_id: StackId) -> list[ResourceRecord]:
    """Every row of a stack, oldest first; deleted ones are gone."""
    return resources_of(connection.execute(_OF_STACK, {"of_stack": stack_id}))


def versions_of(connection: Connection, stack_id: StackId) -> dict[ResourceId, int]:
    """By row, how often it was written."""
    query = select(resources.c.id, resources.c.version).where(resources.c.stack_id == stack_id)
    return {ResourceId(row.id): row.version for row in connection.execute(query)}


def states_of(connection: Connection, stack_id: StackId) -> list[ResourceRecord]:
    """Every row of a stack without its values; those of what is under way are there."""
    busy = resources.c.status == Status.IN_PROGRESS
    empty = literal({}, resources.c.properties.type)
    light = [
        case((busy, resources.c.properties), else_=empty).label("properties")
        if name == "properties"
        else empty.label(name)
        if name in {"attributes", "data", "metadata"}
        else resources.c[name]
        for name in RESOURCE_COLUMNS
    ]
    query = select(*light).where(resources.c.stack_id == stack_id)
    return resources_of(connection.execute(query))


def of_stacks(connection: Connection, stack_ids: Sequence[StackId]) -> list[ResourceRecord]:
    """Every row of several stacks."""
    query = select(resources).where(resources.c.stack_id.in_(stack_ids))
    return resources_of(
        connection.execute(query.order_by(resources.c.created_at, resources.c.name))
    )


def marks_on_cloud(
    connection: Connection, cloud: str, types: Collection[str]
) -> tuple[set[str], set[str]]:
    """(ids, tokens) of the rows of these types in live stacks of all projects on a cloud."""
    query = (
        select(resources.c.physical_id, resources.c.token)
        .join(stacks, stacks.c.id == resources.c.stack_id)
        .where(stacks.c.cloud == cloud, stacks.c.deleted_at.is_(None))
        .where(resources.c.resolved_type.in_(sorted(types)))
    )
    rows = connection.execute(query).all()
    return {row.physical_id for row in rows if row.physical_id}, {row.token for row in rows}


def readable_of_stacks(
    connection: Connection, stack_ids: Sequence[StackId]
) -> list[ResourceRecord]:
    """The same, without stacks of which a row does not open: they hold up nobody else."""
    query = select(resources).where(resources.c.stack_id.in_(stack_ids))
    found: list[ResourceRecord] = []
    shut: set[str] = set()
    ordered = query.order_by(resources.c.created_at, resources.c.name)
    for row in connection.execute(ordered).mappings():
        try:
            found.append(resource_of(dict(row)))
        except Locked:
            shut.add(row["stack_id"])
    return [record for record in found if record.stack_id not in shut] if shut else found


def metadata_of(connection: Connection, stack_ids: Sequence[StackId]) -> dict[tuple[str, str], Any]:
    """By stack and resource, where there is any."""
    query = select(
        resources.c.stack_id, resources.c.id, resources.c.name, resources.c.metadata
    ).where(resources.c.stack_id.in_(stack_ids), func.length(resources.c.metadata) > len(b"{}"))
    found = {}
    for row in connection.execute(query):
        where = place("resources", "metadata", row._mapping)  # noqa: SLF001 - a public name
        found[row.stack_id, row.name] = open_json(row.metadata, where)
    return found


def get(connection: Connection, resource_id: ResourceId | str) -> ResourceRecord | None:
    """By row id."""
    found = resources_of(connection.execute(select(resources).where(resources.c.id == resource_id)))
    return found[0] if found else None


def by_physical_id(connection: Connection, physical_id: str) -> list[ResourceRecord]:
    """Rows that stand for this object; the caller checks the project."""
    query = select(resources).where(resources.c.physical_id == physical_id)
    return resources_of(connection.execute(query))


def forget(connection: Connection, stack_id: StackId) -> None:
    """Drop all rows of a stack and their signals; the objects are left to themselves."""
    mine = select(resources.c.id).where(resources.c.stack_id == stack_id)
    connection.execute(delete(signals).where(signals.c.resource_id.in_(mine)))
    connection.execute(delete(resources).where(resources.c.stack_id == stack_id))


def purge_deleted(connection: Connection, stack_id: StackId) -> None:
    """Drop the rows whose objects are gone, and their signals; the events stay."""
    gone = select(resources.c.id).where(
        resources.c.stack_id == stack_id,
        resources.c.action == Action.DELETE,
        resources.c.status == Status.COMPLETE,
    )
    connection.execute(delete(signals).where(signals.c.resource_id.in_(gone)))
    connection.execute(
        delete(resources).where(
            resources.c.stack_id == stack_id,
            resources.c.action == Action.DELETE,
            resources.c.status == Status.COMPLETE,
        )
    )


def count_of_tree(connection: Connection, root_id: StackId, but: StackId) -> int:
    """Resources of all live stacks below a root and its own, without those of one stack."""
    query = (
        select(func.count())
        .select_from(resources.join(stacks, stacks.c.id == resources.c.stack_id))
        .where(
            stacks.c.root_id == root_id,
            stacks.c.id != but,
            stacks.c.deleted_at.is_(None),
            or_(resources.c.action != Action.DELETE, resources.c.status != Status.COMPLETE),
        )
    )
    return int(connection.scalar(query) or 0)
