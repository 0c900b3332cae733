"""Views of stacks: they read, they never act."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mantle.engine.finish import Outputs, outputs_now
from mantle.engine.operation import load
from mantle.model.errors import MantleError, NotFound
from mantle.model.event import Event
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, StackId
from mantle.model.interventions import Stuck
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.stacks.control import Control
from mantle.store import events as event_rows
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.horizon import horizon
from mantle.store.stacks import StackQuery
from mantle.template.loaded import Loaded

__all__ = ["EventQuery", "EventView", "OutputView", "ResourceView", "StackQuery"]

MASK = "******"


UNSETTLED_SECONDS = 0.05
"""Before events are looked at again behind which others are still being written."""

LOOK_SECONDS = 1.0
"""Before a stream looks by itself: another process's word may be lost on its way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceView:
    """One resource with what a listing says around it."""

    stack: StackRecord
    record: ResourceRecord
    required_by: tuple[str, ...] = ()
    nested_stack: StackRecord | None = None
    parent_resource: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """What an event listing asks for."""

    limit: int | None = None
    marker: str | None = None
    sort_dir: str = "desc"
    resource: str | None = None
    nested_depth: int = 0
    filters: Mapping[str, Sequence[str]] | None = None
    """Attribute of the event (`resource_status`, `resource_action`, …) to allowed values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventView:
    """One event and the stack it happened in."""

    stack: StackRecord
    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputView:
    """One output of a stack."""

    name: str
    value: Any
    description: str = ""
    error: str = ""
    waits_for: tuple[str, ...] = ()
    """The resources that it needs and that an operation under way has still to make."""


def _absent(name: str) -> NotFound:
    return NotFound(
        f"The Stack ({name}) could not be found.", remedy="`stack list` shows those there are."
    )


async def find_stack(
    control: Control, project_id: ProjectId, name_or_id: str, *, deleted: bool = False
) -> StackRecord:
    """A stack of the project by id or name; a deleted one only by id and when asked for.

    Child stacks are found by id, as their parents' listings link to them, or by their full name.
    """

    def look(connection: Connection) -> StackRecord | None:
        stack = stack_rows.get(connection, name_or_id)
        if stack is not None and stack.project_id == project_id:
            return stack if deleted or stack.deleted_at is None else None
        stack = stack_rows.live_by_name(connection, project_id, name_or_id)
        if stack is not None:
            return stack
        named = StackQuery(names=(name_or_id,), show_nested=True, limit=1)
        return next(iter(stack_rows.listing(connection, project_id, named)), None)

    stack = await control.database.read(look)
    if stack is None:
        raise _absent(name_or_id)
    return stack


async def list_stacks(
    control: Control, project_id: ProjectId | None, query: StackQuery
) -> list[StackRecord]:
    """Stacks of a project; None lists all projects'."""
    return await control.database.read(stack_rows.listing, project_id, _hiding(control, query))


async def count_stacks(control: Control, project_id: ProjectId | None, query: StackQuery) -> int:
    """How many the listing holds without paging."""
    return await control.database.read(stack_rows.count, project_id, _hiding(control, query))


def _hiding(control: Control, query: StackQuery) -> StackQuery:
    """As in Heat, stacks with certain tags are told only to who asks for hidden ones."""
    hidden = () if query.show_hidden else control.settings.hidden_stack_tags
    return replace(query, not_tags_any=(*query.not_tags_any, *hidden))


async def stack_source(control: Control, stack: StackRecord) -> TemplateSource:
    """The template, environment and files in force."""
    return await control.database.read(stack_rows.load_source, stack.source_id)


async def load_stack(control: Control, stack: StackRecord) -> Loaded:
    """The stack's template, parsed and checked again."""
    return await load(control.machine, stack, await stack_source(control, stack))


# --- resources -------------------------------------------------------------------------------


def _live(rows: Sequence[ResourceRecord]) -> list[ResourceRecord]:
    """One row for each name: the replacement once it is begun, else the one it replaces."""
    best: dict[str, ResourceRecord] = {}
    for row in rows:
        if row.state == "DELETE_COMPLETE":
            continue
        other = best.get(row.name)
        if other is None or _rank(row) >= _rank(other):
            best[row.name] = row
    return list(best.values())


def _rank(row: ResourceRecord) -> tuple[bool, bool, float]:
    waiting = row.action is Action.INIT and row.replaces is not None
    return (row.replaced_by is None and not waiting, not waiting, row.created_at)


async def list_resources(
    control: Control, stack: StackRecord, nested_depth: int = 0
) -> list[ResourceView]:
    """Resources of a stack, and of its children down to a depth."""

    def look(connection: Connection) -> list[ResourceView]:
        return _tree(connection, stack, nested_depth)

    return await control.database.read(look)


def _tree(connection: Connection, stack: StackRecord, depth: int) -> list[ResourceView]:
    views: list[ResourceView] = []
    children = {child.parent_resource: child for child in stack_rows.children(connection, stack.id)}
    rows = _live(resource_rows.of_stack(connection, stack.id))
    needed: dict[str, list[str]] = {}
    for row in rows:
        for name in row.requires:
            needed.setdefault(name, []).append(row.name)
    for row in rows:
        child = children.get(row.name)
        views.append(
            ResourceView(
                stack=stack,
                record=row,
                required_by=tuple(needed.get(row.name, ())),
                nested_stack=child,
                parent_resource=stack.parent_resource,
            )
        )
    if depth > 0:
        for child in children.values():
            views.extend(_tree(connection, child, depth - 1))
    return views


async def show_resource(control: Control, stack: StackRecord, name: str) -> ResourceView:
    """One resource by its name."""
    for view in await list_resources(control, stack):
        if view.record.name == name:
            return view
    raise NotFound(
        f"The Resource ({name}) could not be found in Stack {stack.name}.",
        fault="ResourceNotFound",
    )


async def live_row(
    control: Control, stack: StackRecord, name: str, *, by_physical_id: bool = False
) -> ResourceRecord:
    """The row that stands for a name now."""
    rows = _live(await control.database.read(resource_rows.of_stack, stack.id))
    for row in rows:
        if row.name == name or (by_physical_id and row.physical_id == name):
            return row
    raise NotFound(
        f"The Resource ({name}) could not be found in Stack {stack.name}.",
        fault="ResourceNotFound",
    )


# --- events ----------------------------------------------------------------------------------


async def list_events(control: Control, stack: StackRecord, query: EventQuery) -> list[EventView]:
    """Events of a stack and its children down to a depth, newest first unless asked otherwise.

    Who reads on behind a marker sees them only once none before them can come any more.
    """
    by_pages = query.sort_dir == "asc" and (query.marker is not None or query.limit is not None)
    until = await horizon(control.database) if by_pages else None

    def look(connection: Connection) -> list[EventView]:
        stacks = {stack.id: stack}
        level = [stack.id]
        for _ in range(query.nested_depth):
            found = [child for parent in level for child in stack_rows.children(connection, parent)]
            stacks.update({child.id: child for child in found})
            level = [child.id for child in found]
        events = event_rows.listing(
            connection,
            list(stacks),
            resource=query.resource,
            marker=query.marker,
            ascending=query.sort_dir == "asc",
            limit=None if query.filters else query.limit,
            until=until,
        )
        views = [EventView(stack=stacks[event.stack_id], event=event) for event in events]
        if query.filters:
            views = [view for view in views if _passes(view.event, query.filters)]
        return views if query.limit is None else views[: query.limit]

    return await control.database.read(look)


def _passes(event: Event, filters: Mapping[str, Sequence[str]]) -> bool:
    values = {
        "resource_name": event.resource,
        "resource_type": event.resource_type,
        "resource_status": event.status,
        "resource_action": event.action,
        "physical_resource_id": event.physical_id,
    }
    return all(values.get(name) in wanted for name, wanted in filters.items() if name in values)


async def find_event(
    control: Control, stack: StackRecord, resource: str, event_id: str
) -> EventView:
    """One event of one resource."""
    event = await control.database.read(event_rows.get, stack.id, event_id)
    if event is None or event.resource != resource:
        raise NotFound(f"The Event ({event_id}) could not be found.")
    return EventView(stack=stack, event=event)


async def follow_events(
    control: Control, stack_id: StackId, after: int, *, nested_depth: int = 0
) -> AsyncIterator[Event]:
    """Events behind a cursor as they come; ends when nothing runs any more and all were given."""
    cursor = after
    watched = {stack_id}
    while True:
        ticket = control.machine.nudges.ticket(stack_id)
        busy = bool(await control.database.read(operation_rows.live_of_stack, stack_id))
        written = await control.database.read(_behind, watched, nested_depth, cursor)
        events = await _settled(control, watched, nested_depth, cursor) if written else []
        for event in events:
            cursor = event.sequence
            yield event
        if not written and not busy:
            return
        if written and not events:
            # Somebody has begun to write events before these, and will have ended in a moment.
            await control.machine.nudges.sleep(ticket, UNSETTLED_SECONDS)
        elif not written:
            # Nudges are for the stack itself; its children's changes are found by looking again.
            await control.machine.nudges.sleep(ticket, 0.25 if nested_depth else LOOK_SECONDS)


async def _settled(
    control: Control, watched: set[StackId], nested_depth: int, cursor: int
) -> list[Event]:
    """Those before which no other can come any more."""
    until = await horizon(control.database)
    found = await control.database.read(_behind, watched, nested_depth, cursor)
    return [event for event in found if event.sequence <= until]


def _behind(
    connection: Connection, watched: set[StackId], nested_depth: int, cursor: int
) -> list[Event]:
    """New events of the watched stacks; their children join them, and stay when deleted.

    The newest sequence is read first: a child made while its siblings are listed is missed by this
    look, so events from then on are left to the next one, and none is ever stepped over.
    """
    newest = event_rows.last_sequence(connection)
    for _ in range(nested_depth):
        children = {
            child.id for parent in watched for child in stack_rows.children(connection, parent)
        }
        if children <= watched:
            break
        watched |= children
    found = event_rows.after(connection, list(watched), cursor)
    return [event for event in found if event.sequence <= newest]


# --- outputs and parameters ------------------------------------------------------------------


async def stack_outputs(control: Control, stack: StackRecord) -> list[OutputView]:
    """Outputs as the last operation left them; while one is under way, as far as they are known."""
    try:
        loaded = await load_stack(control, stack)
    except MantleError:
        return [OutputView(name=name, value=value) for name, value in stack.outputs.items()]
    found = Outputs(values=stack.outputs, errors=stack.output_errors)
    if stack.status is Status.IN_PROGRESS and loaded.graph.outputs:
        rows = await control.database.read(resource_rows.of_stack, stack.id)
        found = outputs_now(control.machine, stack, loaded, rows)
    return [
        OutputView(
            name=name,
            value=found.values.get(name),
            description=output.description,
            error=found.errors.get(name, ""),
            waits_for=found.waiting.get(name, ()),
        )
        for name, output in loaded.graph.outputs.items()
    ]


async def stack_parameters(control: Control, stack: StackRecord) -> dict[str, str]:
    """Every parameter's value as text, pseudo parameters included; hidden ones are masked."""
    try:
        graph = (await load_stack(control, stack)).graph
    except MantleError:
        return {}
    values: dict[str, str] = {}
    for name, value in graph.parameter_values.items():
        definition = graph.parameters.get(name)
        values[name] = MASK if definition is not None and definition.hidden else _text(value)
    return values


async def sealed_parameters(control: Control, stack: StackRecord) -> list[str]:
    """The hidden parameters, whose values are sealed: Heat's `encrypted_param_names`."""
    if not control.database.seals:
        return []
    try:
        definitions = (await load_stack(control, stack)).graph.parameters
    except MantleError:
        return []
    return [name for name, definition in definitions.items() if definition.hidden]


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)


# --- operations ------------------------------------------------------------------------------


async def list_operations(
    control: Control,
    stack: StackRecord | None = None,
    project_id: ProjectId | None = None,
    request_id: str | None = None,
) -> list[OperationRecord]:
    """Operations of a stack, or of a project, or of one request; newest first."""

    def look(connection: Connection) -> list[OperationRecord]:
        return operation_rows.listing(
            connection,
            stack_id=stack.id if stack else None,
            project_id=project_id,
            request_id=request_id,
        )

    return await control.database.read(look)


async def list_stuck(
    control: Control, project_id: ProjectId | None, stack: StackRecord | None = None
) -> list[tuple[OperationRecord, Stuck]]:
    """Operations that the watchdog has marked, with why, newest first; None: of every project."""

    def look(connection: Connection) -> list[tuple[OperationRecord, Stuck]]:
        marked = look_rows.all_stuck(connection, project_id)
        found = operation_rows.listing(
            connection,
            stack_id=stack.id if stack else None,
            project_id=project_id,
            ids=list(marked)[:1000],
        )
        return [(each, marked[each.id]) for each in found]

    return await control.database.read(look)


async def find_operation(
    control: Control, project_id: ProjectId | None, operation_id: str
) -> OperationRecord:
    """An operation of the project; None: of any."""
    operation = await control.database.read(operation_rows.get, operation_id)
    if operation is None or project_id not in {None, operation.project_id}:
        raise NotFound(f"The Operation ({operation_id}) could not be found.")
    return operation
