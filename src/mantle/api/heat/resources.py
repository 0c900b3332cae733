"""Resources of a stack: list, show, metadata, signal, mark unhealthy."""

from typing import Any

from mantle.access.policy import allows
from mantle.api.door import Reply
from mantle.api.heat import views
from mantle.api.heat.agents import agent_metadata
from mantle.api.heat.ask import Ask, as_bool, as_count, as_text
from mantle.model.errors import MantleError
from mantle.stacks.queries import ResourceView, list_resources, show_resource
from mantle.stacks.resources import mark_unhealthy, signal_resource, signal_row
from mantle.stacks.users import signalled

FILTERS = ("type", "status", "name", "action", "id", "physical_resource_id")
KNOWN = frozenset({*FILTERS, "nested_depth", "with_detail"})


def deepest(ask: Ask) -> int:
    """Levels of nesting there can be."""
    return ask.control.settings.bounds.nesting


async def index(ask: Ask) -> Reply:
    """GET …/resources. Unlike the stack list, an unknown query parameter is refused."""
    unknown = sorted(set(ask.call.query) - KNOWN)
    if unknown:
        raise MantleError(
            f"Unrecognized query parameter {unknown[0]!r}.",
            remedy=f"Use {', '.join(sorted(KNOWN))}.",
        )
    depth = min(as_count(ask.call.first("nested_depth") or 0, "nested_depth"), deepest(ask))
    found = await list_resources(ask.control, await ask.stack(deleted=True), depth)
    rows = [
        _detail(ask, view) if ask.flag("with_detail") else views.resource_summary(ask.root, view)
        for view in found
        if _wanted(ask, view)
    ]
    return Reply(body={"resources": rows})


async def show(ask: Ask) -> Reply:
    """GET …/resources/{resource}."""
    stack = await ask.resource_stack(deleted=True)
    view = await show_resource(ask.control, stack, ask.names["resource"])
    return Reply(body={"resource": _detail(ask, view)})


async def metadata(ask: Ask) -> Reply:
    """GET …/resources/{resource}/metadata."""
    stack = await ask.resource_stack(deleted=True)
    view = await show_resource(ask.control, stack, ask.names["resource"])
    secrets = allows(ask.caller.roles, "resources:signal")
    shown = await agent_metadata(ask.control, stack, view.record, secrets=secrets)
    return Reply(body={"metadata": shown})


async def signal(ask: Ask) -> Reply:
    """POST …/resources/{resource}/signal. The body may be missing, or null."""
    body = ask.call.json() if ask.call.body.strip() else None
    given, names = signal_body(body), ask.names
    if ask.caller.is_stack_user:
        found = await signalled(
            ask.control, ask.caller, names["name"], names["id"], names["resource"]
        )
        await signal_row(ask.control, *found, given)
    else:
        await signal_resource(ask.control, await ask.stack(), names["resource"], given)
    return Reply(body=None)


async def mark(ask: Ask) -> Reply:
    """PATCH …/resources/{resource}."""
    body = ask.call.json_object()
    unknown = sorted(set(body) - {"mark_unhealthy", "resource_status_reason"})
    if unknown:
        raise MantleError(
            f"Unrecognized key {unknown[0]!r} in the request body.",
            remedy="Send mark_unhealthy and, if you like, resource_status_reason.",
        )
    if "mark_unhealthy" not in body:
        raise MantleError("The request body has no mark_unhealthy.", remedy="Send true or false.")
    await mark_unhealthy(
        ask.control,
        ask.caller,
        await ask.stack(),
        ask.names["resource"],
        unhealthy=as_bool(body["mark_unhealthy"], "mark_unhealthy"),
        reason=as_text(body.get("resource_status_reason"), "resource_status_reason"),
    )
    return Reply(body=None)


def signal_body(body: Any) -> dict[str, Any]:
    """A signal's details; null and nothing are none."""
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise MantleError("A signal's body is an object.", remedy='Send {"status": "SUCCESS"}.')
    return body


def _detail(ask: Ask, view: ResourceView) -> dict[str, Any]:
    schema = ask.control.registry.get(view.record.resolved_type).schema
    # Whoever may signal the resource may know what its attributes hide.
    secrets = allows(ask.caller.roles, "resources:signal")
    attributes = views.shown_attributes(
        view.record, schema, ask.texts("with_attr"), secrets=secrets
    )
    return views.resource_detail(ask.root, view, attributes)


def _wanted(ask: Ask, view: ResourceView) -> bool:
    record = view.record
    values = {
        "type": record.type,
        "status": record.status.value,
        "name": record.name,
        "action": record.action.value,
        "id": record.id,
        "physical_resource_id": record.physical_id,
    }
    return all(
        values[name] in ask.texts(name) for name in FILTERS if ask.call.first(name) is not None
    )
