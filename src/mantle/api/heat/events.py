"""Events of a stack or of one resource."""

from typing import Any

from mantle.api.door import Reply
from mantle.api.heat import views
from mantle.api.heat.ask import Ask, as_count
from mantle.api.heat.resources import deepest
from mantle.model.errors import MantleError, NotFound
from mantle.model.schema import ResourceSchema
from mantle.stacks.queries import EventQuery, find_event, list_events, show_resource

FILTERS = (
    "resource_name",
    "resource_type",
    "resource_status",
    "resource_action",
    "physical_resource_id",
)


async def index(ask: Ask) -> Reply:
    """GET …/events: newest first by default. Clients poll with the last id as marker."""
    return await _listing(ask, None)


async def of_resource(ask: Ask) -> Reply:
    """GET …/resources/{resource}/events."""
    return await _listing(ask, ask.names["resource"])


async def show(ask: Ask) -> Reply:
    """GET …/resources/{resource}/events/{event}."""
    stack = await ask.stack(deleted=True)
    name = ask.names["resource"]
    view = await find_event(ask.control, stack, name, ask.names["event"])
    properties: dict[str, Any] = {}
    try:
        row = (await show_resource(ask.control, stack, name)).record
    except NotFound:
        row = None
    if row is not None:
        properties = _masked(row.properties, ask.control.registry.get(row.resolved_type).schema)
    return Reply(body={"event": views.event_detail(ask.root, view, properties)})


async def _listing(ask: Ask, resource: str | None) -> Reply:
    sort_dir = ask.call.first("sort_dir") or "desc"
    if sort_dir not in {"asc", "desc"}:
        raise MantleError(f"sort_dir is {sort_dir!r}.", remedy="Use asc or desc.")
    depth = min(as_count(ask.call.first("nested_depth") or 0, "nested_depth"), deepest(ask))
    stack = await ask.stack(deleted=True)
    query = EventQuery(
        limit=ask.number("limit"),
        marker=ask.call.first("marker"),
        sort_dir=sort_dir,
        resource=resource,
        nested_depth=depth,
        filters={name: ask.texts(name) for name in FILTERS if ask.call.first(name)},
    )
    found = await list_events(ask.control, stack, query)
    if resource is not None and not found:
        await show_resource(ask.control, stack, resource)
    above = stack if depth else None
    rows = [views.event_summary(ask.root, view, above) for view in found]
    return Reply(body={"events": rows})


def _masked(properties: Any, schema: ResourceSchema) -> dict[str, Any]:
    secret = {name for name, prop in schema.properties.items() if prop.secret}
    return {
        name: views.MASK if name in secret and value is not None else value
        for name, value in properties.items()
    }
