"""Snapshots, export, abandon."""

from typing import Any

from mantle.api.door import Reply, empty, plain
from mantle.api.heat import views
from mantle.api.heat.ask import Ask
from mantle.model.errors import MantleError, NotSupported
from mantle.stacks.adopt import abandon_stack
from mantle.stacks.export import export_stack
from mantle.stacks.snapshots import (
    delete_snapshot,
    find_snapshot,
    list_snapshots,
    restore_snapshot,
    take_snapshot,
)
from mantle.store.snapshots import SnapshotRecord

ACCEPTED = "The request is accepted for processing."


async def take(ask: Ask) -> Reply:
    """POST …/snapshots: the bare snapshot."""
    name = ask.call.json_object().get("name")
    if name is not None and not isinstance(name, str):
        raise MantleError("A snapshot's name must be a text.")
    return Reply(body=_view(await take_snapshot(ask.control, ask.caller, await ask.stack(), name)))


async def index(ask: Ask) -> Reply:
    """GET …/snapshots."""
    found = await list_snapshots(ask.control, await ask.stack())
    return Reply(body={"snapshots": [_view(each) for each in found]})


async def show(ask: Ask) -> Reply:
    """GET …/snapshots/{id}."""
    found = await find_snapshot(ask.control, await ask.stack(), ask.names["snapshot"])
    return Reply(body={"snapshot": _view(found)})


async def delete(ask: Ask) -> Reply:
    """DELETE …/snapshots/{id}."""
    await delete_snapshot(ask.control, await ask.stack(), ask.names["snapshot"])
    return empty(204)


async def restore(ask: Ask) -> Reply:
    """POST …/snapshots/{id}/restore."""
    await restore_snapshot(ask.control, ask.caller, await ask.stack(), ask.names["snapshot"])
    return plain(202, ACCEPTED)


async def export(ask: Ask) -> Reply:
    """GET …/export: the document that adopt takes."""
    _allowed(ask, "Export")
    return Reply(body=await export_stack(ask.control, await ask.stack()))


async def abandon(ask: Ask) -> Reply:
    """DELETE …/abandon: the same document; the stack is gone, its objects stay."""
    _allowed(ask, "Abandon")
    return Reply(body=await abandon_stack(ask.control, ask.caller, await ask.stack()))


def _allowed(ask: Ask, what: str) -> None:
    if not ask.control.settings.allow_export:
        raise NotSupported(f"Stack {what} is switched off here.", remedy="Ask the operator.")


def _view(snapshot: SnapshotRecord) -> dict[str, Any]:
    return {
        "id": snapshot.id,
        "name": snapshot.name,
        "status": snapshot.status,
        "status_reason": snapshot.reason,
        "creation_time": views.when(snapshot.created_at),
        "data": dict(snapshot.data),
    }
