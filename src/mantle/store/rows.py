"""Rows to records and back, for every table of `tables.stacks`."""

from typing import Any

from sqlalchemy import Result, Row

from mantle.model.event import Event
from mantle.model.graph import DeletionPolicy
from mantle.model.policies import NOBODY, Asker
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.release import FIRST_FORMAT
from mantle.model.status import Action, Cancel, OperationStatus, Status
from mantle.store.sealed import SealedMap, opened, place, placed
from mantle.store.tables.base import Closed


def stack_of(row: Row[Any]) -> StackRecord:
    """One row of `stacks`."""
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    values["action"] = Action(values["action"])
    values["status"] = Status(values["status"])
    values["tags"] = tuple(tag for tag in values["tags"].split(",") if tag)
    values["confidential"] = values["confidential"] is not False
    for name in ("outputs", "output_errors"):
        if type(values[name]) is Closed:
            values[name] = SealedMap(values[name], place("stacks", name, values))
    return StackRecord(**values)


def stack_values(stack: StackRecord, *, sealed: bool) -> dict[str, Any]:
    """All columns of `stacks`. Tags are stored between commas, so that one can be searched for."""
    values = {name: getattr(stack, name) for name in StackRecord.__dataclass_fields__}
    values["tags"] = f",{','.join(stack.tags)}," if stack.tags else ""
    unread = {
        name: value.closed
        for name, value in values.items()
        if type(value) is SealedMap and value.where == place("stacks", name, values)
    }
    return (placed("stacks", values) if sealed else values) | unread


def resources_of(found: Result[Any]) -> list[ResourceRecord]:
    """Every row of a query of `resources`."""
    names = tuple(found.keys())
    return [resource_of(dict(zip(names, row, strict=True))) for row in found]


def resource_of(values: dict[str, Any]) -> ResourceRecord:
    """One of them, by its columns; the map is used up."""
    values["action"] = Action(values["action"])
    values["status"] = Status(values["status"])
    values["deletion_policy"] = DeletionPolicy(values["deletion_policy"])
    values["requires"] = tuple(values["requires"])
    return ResourceRecord(**opened("resources", values))


RESOURCE_COLUMNS = ResourceRecord.__struct_fields__


def resource_values(record: ResourceRecord, *, sealed: bool) -> dict[str, Any]:
    """All columns of `resources`."""
    values = {name: getattr(record, name) for name in RESOURCE_COLUMNS}
    return placed("resources", values) if sealed else values


def operation_of(row: Row[Any]) -> OperationRecord:
    """One row of `operations`."""
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    del values["sequence"]
    values["action"] = Action(values["action"])
    values["status"] = OperationStatus(values["status"])
    values["cancel"] = Cancel(values["cancel"]) if values["cancel"] else None
    values["requester"] = asker_of(values["requester"])
    values["format"] = values["format"] or FIRST_FORMAT
    values["trace"] = values["trace"] or ""
    values["observes"] = bool(values["observes"])
    return OperationRecord(**values)


def operation_values(operation: OperationRecord) -> dict[str, Any]:
    """All columns of `operations` but the sequence."""
    values = {name: getattr(operation, name) for name in OperationRecord.__dataclass_fields__}
    values["requester"] = asker_values(operation.requester)
    return values


def asker_of(data: dict[str, Any] | None) -> Asker:
    """Who asked; nobody for operations of an earlier release."""
    if not data:
        return NOBODY
    return Asker(user_id=data["id"], user_name=data["name"], roles=tuple(data["roles"]))


def asker_values(asker: Asker) -> dict[str, Any]:
    """Who asked, as JSON."""
    return {"id": asker.user_id, "name": asker.user_name, "roles": list(asker.roles)}


def event_of(row: Row[Any]) -> Event:
    """One row of `events`."""
    values = dict(row._mapping)  # noqa: SLF001 - its public name in SQLAlchemy
    values["action"] = Action(values["action"])
    values["status"] = Status(values["status"])
    return Event(**values)


def event_values(event: Event) -> dict[str, Any]:
    """All columns of `events` but the sequence, which the database gives."""
    return {name: getattr(event, name) for name in Event.__struct_fields__ if name != "sequence"}
