"""The two stacks of a move as they are: at rest, of the project, on one cloud.

Or the move is refused, with what is to be done first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, MantleError, NotFound, NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, StackId
from mantle.model.moves import MoveKind, MoveRequest
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, draft, refuse_taken
from mantle.stacks.create import check_room as check_room_for_one
from mantle.stacks.names import check_name
from mantle.stacks.queries import load_stack
from mantle.store import guards as guard_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.loaded import Loaded
from mantle.template.rewrite.cut import refuse_cfn


@dataclass(frozen=True, slots=True)
class AtRest:
    """A stack as it is."""

    record: StackRecord
    loaded: Loaded
    rows: Sequence[ResourceRecord]


async def stack_at_rest(control: Control, project_id: ProjectId, stack_id: StackId) -> AtRest:
    """A stack that is at rest; raises `Conflict` or `NotSupported` when it is not."""

    def look(connection: Connection) -> tuple[StackRecord | None, list[ResourceRecord], bool]:
        stack = stack_rows.get(connection, stack_id)
        if stack is None:
            return None, [], False
        rows = resource_rows.of_stack(connection, stack_id)
        return stack, rows, bool(operation_rows.live_of_stack(connection, stack_id))

    stack, rows, busy = await control.database.read(look)
    if stack is None or stack.project_id != project_id or stack.deleted_at is not None:
        raise NotFound(f"The Stack ({stack_id}) could not be found.")
    if stack.parent_id is not None:
        raise NotSupported(
            f"Stack {stack.name!r} is part of another; its resources are that one's affair.",
            remedy="Change the root stack's template instead.",
        )
    if busy or stack.status is Status.IN_PROGRESS:
        raise Conflict(
            f"Stack {stack.name} already has an action ({stack.action}) in progress.",
            remedy="Wait for its end, or cancel it.",
        )
    if stack.status is not Status.COMPLETE or stack.action in {Action.SUSPEND, Action.DELETE}:
        raise NotSupported(
            f"Stack {stack.name!r} is {stack.state}; only what is whole can be moved.",
            remedy="Resume it." if stack.action is Action.SUSPEND else "Update it first.",
        )
    loaded = await load_stack(control, stack)
    refuse_cfn(stack.name, loaded)
    return AtRest(stack, loaded, rows)


async def target_of(
    control: Control,
    caller: Caller,
    source: AtRest,
    request: MoveRequest,
    new_stack: StackId | None,
) -> AtRest | None:
    """The stack they go to; None within one stack."""
    if request.kind is MoveKind.RENAME:
        return None
    if request.kind is MoveKind.SPLIT:
        assert new_stack is not None, "a split's stack has its id from the beginning"
        return await _fresh(control, caller, source, request, new_stack)
    assert request.target_id is not None, "a move names its target"
    if request.target_id == request.source_id:
        raise MantleError(
            "Source and target are the same stack.",
            remedy="To rename a resource: mantle stack rename-resource.",
        )
    target = await stack_at_rest(control, caller.project_id, request.target_id)
    if target.record.cloud != source.record.cloud:
        raise NotSupported(
            f"Stack {source.record.name!r} is on cloud {source.record.cloud!r}, stack "
            f"{target.record.name!r} on {target.record.cloud!r}.",
            remedy="What is on one cloud stays there: choose a stack on the same.",
        )
    guards = [
        await control.database.read(guard_rows.get, each.record.id, caller.project_id)
        for each in (source, target)
    ]
    if guards[0].protected and not guards[1].protected:
        raise NotSupported(
            f"Stack {source.record.name!r} is protected from deletion and stack "
            f"{target.record.name!r} is not.",
            remedy="Protect the target as well, or take the source's protection back first.",
        )
    return target


async def _fresh(
    control: Control, caller: Caller, source: AtRest, request: MoveRequest, new_stack: StackId
) -> AtRest:
    """The stack that a split makes: the source's settings under another name."""
    like = source.record
    wanted = CreateRequest(
        name=request.name,
        source=source.loaded.source,
        disable_rollback=like.disable_rollback,
        timeout_minutes=like.timeout_minutes,
        tags=like.tags,
        cloud=like.cloud,
    )
    stack = replace(draft(control, caller, wanted), id=new_stack, root_id=new_stack)
    await check_room_for_one(control, caller, stack)
    made = replace(stack, status=Status.COMPLETE, reason=f"Split from stack {like.name}")
    return AtRest(made, source.loaded, ())


async def check_new_name(control: Control, source: AtRest, request: MoveRequest) -> None:
    """Refuse a stack's new name that cannot be, or is taken."""
    if request.kind is MoveKind.RENAME_STACK:
        wanted = replace(source.record, name=check_name(request.name))
        if wanted.name == source.record.name:
            raise MantleError(f"The stack is called {wanted.name!r} already.")
        await control.database.read(refuse_taken, wanted)


async def notes_on(
    control: Control,
    source: AtRest,
    target: AtRest | None,
    request: MoveRequest,
    after: Sequence[TemplateSource],
) -> list[str]:
    """What a person should know before saying yes."""
    notes = []
    if any(isinstance(text.template, dict) for text in after) and isinstance(
        source.loaded.source.template, str
    ):
        notes.append("a template's lines cannot be kept: it is data from now on, without comments.")
    kept = await control.database.read(snapshot_rows.of_stack, source.record.id)
    going = set(request.names)
    named = [each.name or each.id for each in kept if going & set(each.data.get("resources") or ())]
    if named:
        notes.append(
            f"snapshots of stack {source.record.name} still hold these resources "
            f"({', '.join(named[:5])}): restoring one makes them anew."
        )
    if target is not None:
        guard = await control.database.read(
            guard_rows.get, target.record.id, target.record.project_id
        )
        if guard.expires_at is not None:
            notes.append(f"stack {target.record.name} has a time to live, and they end with it.")
    return notes
