"""What an operation keeps for a snapshot, or puts back from one.

An operation that takes a snapshot or returns to one names it, and so do the operations of the
stacks inside. A copy is noted by the path of its resource, from the snapshot's stack inwards: names
outlast rows, so what was replaced or made again since finds its contents all the same.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mantle.engine.machine import Machine
from mantle.model.ids import OperationId, Token
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.store import contents as content_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.contents import Content
from mantle.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """The snapshot of one operation, as its stack sees it."""

    snapshot_id: str
    path: tuple[str, ...]
    """Where the stack is, from the snapshot's."""
    members: frozenset[str] = frozenset()
    """Resources of the stack of which something was kept, themselves or inside."""
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What was kept of the stack's own resources, by name."""

    def restores(self, rows: Iterable[ResourceRecord], operation_id: OperationId) -> frozenset[str]:
        """The resources whose contents this operation has still to put back."""
        done = {
            row.name
            for row in rows
            if row.operation_id == operation_id and row.state == "RESTORE_COMPLETE"
        }
        return self.members - done


async def keeping_of(
    machine: Machine, operation: OperationRecord, stack: StackRecord
) -> Keeping | None:
    """None for an operation that has to do with no snapshot."""
    if operation.snapshot_id is None:
        return None
    return await machine.database.read(_read, operation, stack)


def _read(connection: Connection, operation: OperationRecord, stack: StackRecord) -> Keeping | None:
    snapshot_id = operation.snapshot_id
    assert snapshot_id is not None, "asked for before"
    top = snapshot_rows.stack_of(connection, snapshot_id)
    path: list[str] = []
    here: StackRecord | None = stack
    while here is not None and here.id != top and here.parent_id is not None:
        path.insert(0, here.parent_resource or "")
        here = stack_rows.get(connection, here.parent_id)
    place = tuple(path)
    if operation.action is not Action.RESTORE:
        return Keeping(snapshot_id=snapshot_id, path=place)
    found = [
        (member, content)
        for content in content_rows.of_snapshots(connection, [snapshot_id])
        if content.kept is not None and (member := content_rows.beneath(content, place)) is not None
    ]
    return Keeping(
        snapshot_id=snapshot_id,
        path=place,
        members=frozenset(member for member, _ in found),
        contents={
            member: content.kept
            for member, content in found
            if content.path == (*place, member) and content.kept is not None
        },
    )


def token_of(row: ResourceRecord, reason: str) -> Token:
    """What the cloud knows a copy by; `reason` is the snapshot's id, or the plan's that deletes."""
    return Token(f"{row.token}/{reason}")


def intended(
    keeping: Keeping, row: ResourceRecord, stack: StackRecord
) -> Callable[[Connection], None]:
    """Notes that a copy is about to be made; part of the step's intent."""
    content = Content(
        token=token_of(row, keeping.snapshot_id),
        snapshot_id=keeping.snapshot_id,
        project_id=stack.project_id,
        cloud=stack.cloud,
        path=(*keeping.path, row.name),
        resource_type=row.resolved_type,
    )
    return lambda connection: content_rows.intend(connection, content)


def ended(
    keeping: Keeping, row: ResourceRecord, kept: Mapping[str, Any]
) -> Callable[[Connection], None]:
    """Notes that the copy is whole; part of the step's end."""
    token = token_of(row, keeping.snapshot_id)
    return lambda connection: content_rows.whole(connection, token, kept)
