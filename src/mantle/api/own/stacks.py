"""`/v2/stacks`: change stacks, and see what the change does while it happens."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from litestar import Controller, delete, get, post, put
from litestar.params import FromPath, FromQuery, HeaderParameter, JSONBody
from litestar.response import ServerSentEvent
from litestar.response.sse import ServerSentEventMessage

from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.requests import create_request, update_request, with_template
from mantle.api.own.shapes import (
    AcceptedAnswer,
    CancelBody,
    ChangeBody,
    EventsAnswer,
    ResourcesAnswer,
    StackAnswer,
    StackBody,
    StacksAnswer,
    event_shape,
    operation_shape,
    resource_shape,
    stack_shape,
)
from mantle.model.errors import MantleError
from mantle.model.event import Event
from mantle.model.ids import StackId
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Cancel
from mantle.plan.render import plan_json
from mantle.stacks.actions import cancel_stack
from mantle.stacks.control import Control
from mantle.stacks.create import create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.plans import find_plan
from mantle.stacks.queries import (
    EventQuery,
    StackQuery,
    find_stack,
    follow_events,
    list_events,
    list_operations,
    list_resources,
    list_stacks,
    stack_outputs,
    stack_parameters,
)
from mantle.stacks.update import update_stack

MOST_EVENTS = 10_000
HEARTBEAT_SECONDS = 15.0
"""A comment goes out this often when nothing happens, so that nobody takes the stream for dead."""


class StacksController(Controller):
    """Stacks of the token's project."""

    path = "/stacks"
    tags = ["stacks"]

    @get("/", summary="List stacks")
    async def index(
        self,
        control: GivenControl,
        caller: GivenCaller,
        show_deleted: FromQuery[bool] = False,
        tag: FromQuery[str | None] = None,
        show_hidden: FromQuery[bool] = False,
    ) -> StacksAnswer:
        """Newest first."""
        enforce(caller, "stacks:index")
        query = StackQuery(
            show_deleted=show_deleted, show_hidden=show_hidden, tags=(tag,) if tag else ()
        )
        found = await list_stacks(control, caller.project_id, query)
        return StacksAnswer(stacks=[stack_shape(stack) for stack in found])

    @post("/", status_code=202, summary="Create a stack")
    async def create(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[StackBody]
    ) -> AcceptedAnswer:
        """Durable when this answers; the events tell how it goes."""
        enforce(caller, "stacks:create")
        stack, operation = await create_stack(
            control, caller, create_request(await with_template(control, data))
        )
        return await _accepted(control, stack, operation)

    @get("/{name_or_id:str}", summary="Show a stack")
    async def show(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> StackAnswer:
        """With outputs and parameters; a deleted stack is found by its id."""
        enforce(caller, "stacks:show")
        stack = await find_stack(control, caller.project_id, name_or_id, deleted=True)
        outputs = await stack_outputs(control, stack)
        parameters = await stack_parameters(control, stack)
        return StackAnswer(stack=stack_shape(stack, outputs, parameters))

    @put("/{name_or_id:str}", status_code=202, summary="Change a stack")
    async def update(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[ChangeBody],
    ) -> AcceptedAnswer:
        """Also while another operation runs: that one is overtaken."""
        enforce(caller, "stacks:update")
        stack = await find_stack(control, caller.project_id, name_or_id)
        operation = await update_stack(
            control, caller, stack, update_request(await with_template(control, data))
        )
        return await _accepted(control, stack, operation)

    @delete("/{name_or_id:str}", status_code=202, summary="Delete a stack")
    async def delete(
        self, control: GivenControl, caller: GivenCaller, name_or_id: FromPath[str]
    ) -> AcceptedAnswer:
        """In any state; whatever runs is interrupted."""
        enforce(caller, "stacks:delete")
        stack = await find_stack(control, caller.project_id, name_or_id)
        operation = await delete_stack(control, caller, stack)
        return await _accepted(control, stack, operation)

    @post("/{name_or_id:str}/cancel", status_code=202, summary="Cancel the operation under way")
    async def cancel(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        data: JSONBody[CancelBody],
    ) -> AcceptedAnswer:
        """Steps that have begun run to their end."""
        enforce(caller, "stacks:action")
        stack = await find_stack(control, caller.project_id, name_or_id)
        how = Cancel.ROLLBACK if data.rollback else Cancel.STOP
        operation = await cancel_stack(control, caller, stack, how)
        return await _accepted(control, stack, operation)

    @get("/{name_or_id:str}/resources", summary="List a stack's resources")
    async def resources(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        nested_depth: FromQuery[int] = 0,
    ) -> ResourcesAnswer:
        """Those of nested stacks as well, down to a depth."""
        enforce(caller, "resources:index")
        stack = await find_stack(control, caller.project_id, name_or_id, deleted=True)
        found = await list_resources(control, stack, max(0, min(nested_depth, 10)))
        return ResourcesAnswer(resources=[resource_shape(view) for view in found])

    @get("/{name_or_id:str}/events", summary="List a stack's events")
    async def events(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        limit: FromQuery[int] = 100,
        sort_dir: FromQuery[str] = "asc",
        nested_depth: FromQuery[int] = 0,
    ) -> EventsAnswer:
        """The newest `limit` of them, oldest first unless `sort_dir` is desc."""
        enforce(caller, "events:index")
        if sort_dir not in {"asc", "desc"}:
            raise MantleError(f"sort_dir is {sort_dir!r}.", remedy="Use asc or desc.")
        stack = await find_stack(control, caller.project_id, name_or_id, deleted=True)
        query = EventQuery(
            limit=max(1, min(limit, MOST_EVENTS)), nested_depth=max(0, min(nested_depth, 10))
        )
        found = await list_events(control, stack, query)
        if sort_dir == "asc":
            found = found[::-1]
        return EventsAnswer(events=[event_shape(view.event, view.stack.name) for view in found])

    @get("/{name_or_id:str}/events/stream", summary="Follow a stack's events")
    async def stream(
        self,
        control: GivenControl,
        caller: GivenCaller,
        name_or_id: FromPath[str],
        after: FromQuery[int] = 0,
        nested_depth: FromQuery[int] = 0,
        last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID")] = None,
    ) -> ServerSentEvent:
        """Server-sent: each `event` holds an event, and `end` the operation that has ended."""
        enforce(caller, "events:index")
        stack = await find_stack(control, caller.project_id, name_or_id, deleted=True)
        if last_event_id is not None and last_event_id.isdigit():
            after = max(after, int(last_event_id))
        depth = max(0, min(nested_depth, 10))
        return ServerSentEvent(_messages(control, stack, after, depth))


async def _accepted(
    control: Control, stack: StackRecord, operation: OperationRecord
) -> AcceptedAnswer:
    now = await find_stack(control, stack.project_id, stack.id, deleted=True)
    plan = None
    if operation.plan_id is not None:
        plan = plan_json(await find_plan(control, stack.project_id, operation.plan_id))
    return AcceptedAnswer(stack=stack_shape(now), operation=operation_shape(operation), plan=plan)


async def _messages(
    control: Control, stack: StackRecord, after: int, depth: int
) -> AsyncIterator[ServerSentEventMessage]:
    events = follow_events(control, stack.id, after, nested_depth=depth)
    places = {stack.id: Place(stack.name, "")}
    async for event in with_heartbeats(events, HEARTBEAT_SECONDS):
        if event is None:
            yield ServerSentEventMessage(comment="still here")
            continue
        place = await _place(control, stack, event.stack_id, places)
        data = _json(event_shape(event, place.stack_name, place.within))
        yield ServerSentEventMessage(event="event", id=event.sequence, data=data)
    found = await list_operations(control, stack)
    last = operation_shape(found[0]) if found else None
    yield ServerSentEventMessage(event="end", data=_json({"operation": last}))


@dataclass(frozen=True, slots=True)
class Place:
    """A nested stack's name, and the way to it from the stack that is watched."""

    stack_name: str
    within: str


async def _place(
    control: Control, root: StackRecord, stack_id: StackId, known: dict[StackId, Place]
) -> Place:
    """Where a stack stands below the root; looked up once for each."""
    if stack_id not in known:
        stack = await find_stack(control, root.project_id, stack_id, deleted=True)
        within = stack.parent_resource or ""
        if stack.parent_id is not None:
            above = await _place(control, root, stack.parent_id, known)
            within = "/".join(part for part in (above.within, within) if part)
        known[stack_id] = Place(stack.name, within)
    return known[stack_id]


async def with_heartbeats(
    events: AsyncIterator[Event], seconds: float
) -> AsyncIterator[Event | None]:
    """The events, and None whenever none has come for so long."""
    pending: asyncio.Future[Event] | None = None
    try:
        while True:
            if pending is None:
                pending = asyncio.ensure_future(_next(events))
            done, _ = await asyncio.wait({pending}, timeout=seconds)
            if not done:
                yield None
                continue
            try:
                event = pending.result()
            except StopAsyncIteration:
                return
            pending = None
            yield event
    finally:
        # The reader has gone: the wait for an event that nobody will read must end too.
        if pending is not None and not pending.done():
            pending.cancel()
            await asyncio.wait({pending})


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)


def _json(data: Any) -> str:
    return msgspec.json.encode(data).decode()
