"""Snapshots of a stack: taken, listed, deleted, and returned to.

A snapshot keeps the template, environment and files in force, the stack as a document, and what its
volumes and servers hold: each as a copy on the cloud (a backup, an image), noted before it is made.
Restoring is an update to that template, after which every resource is filled from its copy, before
whatever needs it goes on. Deleting the snapshot deletes the copies: at once as far as anyone sees,
on the cloud as soon as it is done (`stacks/forgetting.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mantle.access.caller import Caller
from mantle.engine.keeping import keeping_of
from mantle.engine.operation import load
from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound, NotSupported
from mantle.model.ids import StackId
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.export import export_stack
from mantle.stacks.limits import limit_of
from mantle.stacks.unmoved import refuse_moved
from mantle.store import contents as content_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.contents import Content
from mantle.store.database import Connection
from mantle.store.snapshots import SnapshotRecord

LONGEST_NAME = 255


async def take_snapshot(
    control: Control, caller: Caller, stack: StackRecord, name: str | None
) -> SnapshotRecord:
    """Accept the snapshot; it is COMPLETE when its operation has ended well."""
    if name is not None and len(name) > LONGEST_NAME:
        raise MantleError(f"A snapshot's name has at most {LONGEST_NAME} characters.")
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    plan = await plan_for(control, stack, Action.SNAPSHOT, None, rows, asker=asker_of(caller))
    snapshot_id = control.new_id()
    operation = replace(
        new_operation(control, caller, stack, Action.SNAPSHOT), snapshot_id=snapshot_id
    )
    snapshot = SnapshotRecord(
        id=snapshot_id,
        stack_id=stack.id,
        operation_id=operation.id,
        name=name,
        status=Status.IN_PROGRESS,
        reason="Stack SNAPSHOT started",
        source_id=stack.source_id,
        data=await export_stack(control, stack),
        created_at=control.clock.now(),
    )

    def store(connection: Connection) -> StackRecord:
        limit = limit_of(connection, control.settings, stack.project_id, "snapshots_per_stack")
        now = _idle(connection, stack)
        refuse_moved(connection, now, stack, rows)
        if 0 <= limit <= snapshot_rows.count(connection, stack.id):
            raise LimitExceeded(
                f"You have reached the maximum of {limit} snapshots of a stack.",
                remedy="Delete one that is no longer needed.",
            )
        snapshot_rows.add(connection, snapshot)
        return _begun(connection, now, Action.SNAPSHOT)

    await accept(control, Acceptance(operation=operation, store=store, plan=plan, rows=rows))
    return snapshot


async def restore_snapshot(
    control: Control, caller: Caller, stack: StackRecord, snapshot_id: str
) -> OperationRecord:
    """Bring the stack back to what it was; durable when this returns."""
    snapshot = await find_snapshot(control, stack, snapshot_id)
    if snapshot.status is not Status.COMPLETE:
        raise NotSupported(
            f"Snapshot {snapshot.id} is {snapshot.status}: only a COMPLETE one can be restored.",
            remedy="Wait for it, or choose another.",
        )
    source = await control.database.read(stack_rows.load_source, snapshot.source_id)
    loaded = await load(control.machine, stack, source)
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    operation = replace(
        new_operation(control, caller, stack, Action.RESTORE), snapshot_id=snapshot.id
    )
    keeping = await keeping_of(control.machine, operation, stack)
    plan = await plan_for(
        control,
        stack,
        Action.RESTORE,
        loaded,
        rows,
        asker=asker_of(caller),
        restores=keeping.members if keeping else (),
    )

    def store(connection: Connection) -> StackRecord:
        now = _idle(connection, stack)
        refuse_moved(connection, now, stack, rows)
        if snapshot_rows.get(connection, stack.id, snapshot.id) is None:
            raise _absent(stack, snapshot.id)
        back = replace(now, source_id=snapshot.source_id, description=loaded.graph.description)
        restoring = _begun(connection, back, Action.RESTORE)
        stack_rows.let_go_of_sources(connection, [now.source_id])
        return restoring

    _, operation = await accept(
        control,
        Acceptance(operation=operation, store=store, loaded=loaded, plan=plan, rows=rows),
    )
    return operation


async def list_snapshots(control: Control, stack: StackRecord) -> list[SnapshotRecord]:
    """The oldest first, each with what it kept."""
    return await control.database.read(_listed, stack.id)


async def find_snapshot(control: Control, stack: StackRecord, snapshot_id: str) -> SnapshotRecord:
    """One snapshot of the stack; `NotFound` otherwise."""
    found = await control.database.read(_found, stack.id, snapshot_id)
    if found is None:
        raise _absent(stack, snapshot_id)
    return found


async def delete_snapshot(control: Control, stack: StackRecord, snapshot_id: str) -> None:
    """Forget it, unless it is still being taken or returned to."""
    snapshot = await find_snapshot(control, stack, snapshot_id)
    if snapshot.status is Status.IN_PROGRESS:
        raise NotSupported(
            "Deleting in-progress snapshot is not supported.", remedy="Wait for its end."
        )

    def store(connection: Connection) -> None:
        for operation in operation_rows.live_of_stack(connection, stack.id):
            if operation.snapshot_id == snapshot_id:
                raise Conflict(
                    f"Snapshot {snapshot_id} is being returned to.",
                    remedy="Wait for the end of the restore, or cancel it.",
                    fault="ActionInProgress",
                )
        named = snapshot_rows.drop(connection, stack.id, snapshot_id)
        stack_rows.let_go_of_sources(connection, named)

    await control.database.write(store)
    control.machine.nudges.nudge("forgetting")


def _listed(connection: Connection, stack_id: StackId) -> list[SnapshotRecord]:
    found = snapshot_rows.of_stack(connection, stack_id)
    kept = content_rows.of_snapshots(connection, [each.id for each in found])
    return [
        _with_contents(each, [one for one in kept if one.snapshot_id == each.id]) for each in found
    ]


def _found(connection: Connection, stack_id: StackId, snapshot_id: str) -> SnapshotRecord | None:
    found = snapshot_rows.get(connection, stack_id, snapshot_id)
    if found is None:
        return None
    return _with_contents(found, content_rows.of_snapshots(connection, [snapshot_id]))


def _with_contents(snapshot: SnapshotRecord, kept: Sequence[Content]) -> SnapshotRecord:
    """As Heat shows it: in the document, a copy's id is in its resource's `resource_data`."""
    data = dict(snapshot.data)
    for content in kept:
        data = _noted(data, content.path, content.kept or {})
    return replace(snapshot, data=data, contents=tuple(kept))


def _noted(
    document: Mapping[str, Any], path: tuple[str, ...], kept: Mapping[str, Any]
) -> dict[str, Any]:
    name, *inner = path
    resources = dict(document.get("resources") or {})
    entry = dict(resources.get(name) or {})
    if inner:
        entry = _noted(entry, tuple(inner), kept)
    else:
        entry["resource_data"] = {**(entry.get("resource_data") or {}), **kept}
    return {**document, "resources": {**resources, name: entry}}


def _idle(connection: Connection, stack: StackRecord) -> StackRecord:
    now = stack_rows.get(connection, stack.id)
    if now is None or now.deleted_at is not None:
        raise NotFound(f"The Stack ({stack.name}) could not be found.")
    if operation_rows.live_of_stack(connection, stack.id):
        raise Conflict(
            f"Stack {stack.name} already has an action ({now.action}) in progress.",
            remedy="Wait for its end, or cancel it.",
            fault="ActionInProgress",
        )
    return now


def _begun(connection: Connection, stack: StackRecord, action: Action) -> StackRecord:
    begun = replace(
        stack, action=action, status=Status.IN_PROGRESS, reason=f"Stack {action} started"
    )
    stack_rows.save(connection, begun)
    return begun


def _absent(stack: StackRecord, snapshot_id: str) -> NotFound:
    return NotFound(
        f"The Snapshot ({snapshot_id}) for Stack ({stack.name}) could not be found.",
        remedy="`stack snapshot list` shows those there are.",
    )
