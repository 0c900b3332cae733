"""Stacks: create, list, look up, show, update, preview, delete."""

from typing import Any

from mantle.access.caller import Scope
from mantle.access.policy import enforce
from mantle.api.door import Reply, empty, plain
from mantle.api.heat import views
from mantle.api.heat.ask import Ask
from mantle.api.heat.previews import preview_view, update_view
from mantle.api.heat.requests import (
    Body,
    adopt_request,
    create_request,
    update_request,
    with_template,
)
from mantle.model.errors import Forbidden
from mantle.model.ids import ProjectId
from mantle.model.records import StackRecord
from mantle.model.status import Status
from mantle.stacks.adopt import adopt_stack
from mantle.stacks.create import create_stack, preview_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.previews import with_children
from mantle.stacks.queries import (
    StackQuery,
    count_stacks,
    find_stack,
    list_stacks,
    stack_outputs,
    stack_parameters,
)
from mantle.stacks.update import preview_update, update_stack
from mantle.stacks.users import stack_of_user

ACCEPTED = "The request has been accepted; the stack's status tells how it goes."
FOUND = "The resource is at the address in Location."


async def create(ask: Ask) -> Reply:
    """POST /stacks."""
    body = await _body(ask)
    adoption = adopt_request(body)
    if adoption is None:
        stack, _ = await create_stack(ask.control, ask.caller, create_request(body))
    else:
        stack, _ = await adopt_stack(ask.control, ask.caller, adoption)
    created = views.stack_created(ask.root, stack)
    location = {"Location": views.stack_url(ask.root, stack)}
    return Reply(status=201, body={"stack": created}, headers=location)


async def preview(ask: Ask) -> Reply:
    """POST /stacks/preview."""
    request = create_request(await _body(ask))
    preview = await preview_stack(ask.control, ask.caller, request)
    preview = await with_children(ask.control, preview)
    return Reply(body={"stack": preview_view(ask.root, preview, ask.control)})


async def index(ask: Ask) -> Reply:
    """GET /stacks."""
    project_id, query = _query(ask)
    found = await list_stacks(ask.control, project_id, query)
    everyone = project_id is None
    rows = [views.stack_summary(ask.root, stack, with_project=everyone) for stack in found]
    body: dict[str, Any] = {"stacks": rows}
    if ask.flag("with_count"):
        body["count"] = await count_stacks(ask.control, project_id, query)
    return Reply(body=body)


async def detail(ask: Ask) -> Reply:
    """GET /stacks/detail."""
    project_id, query = _query(ask)
    found = await list_stacks(ask.control, project_id, query)
    body: dict[str, Any] = {"stacks": [await _detail(ask, stack) for stack in found]}
    if ask.flag("with_count"):
        body["count"] = await count_stacks(ask.control, project_id, query)
    return Reply(body=body)


async def lookup(ask: Ask, path: str) -> Reply:
    """Any method on /stacks/{name or id}, and some paths below: where the stack really is.

    Clients take the stack's full path out of Location and send their request again, with its
    method and body, so the query must be kept.
    """
    if ask.caller.is_stack_user:
        stack = await stack_of_user(ask.control, ask.caller, ask.names["name"])
    else:
        project_id = ask.caller.project_id
        stack = await find_stack(ask.control, project_id, ask.names["name"], deleted=True)
    location = views.stack_url(ask.root, stack)
    if path:
        location += f"/{path}"
    if ask.call.raw_query:
        location += f"?{ask.call.raw_query}"
    headers = {"Location": location}
    accept = ask.call.header("accept")
    if "json" in accept:
        body = {"message": FOUND, "code": "302 Found", "title": "Found"}
        return Reply(status=302, body=body, headers=headers)
    html = "text/html" in accept or "*/*" in accept
    text = f"<html><body><h1>302 Found</h1>{FOUND}</body></html>" if html else f"302 Found\n{FOUND}"
    kind = "text/html" if html else "text/plain"
    return Reply(
        status=302, body=text.encode(), headers=headers, media_type=f"{kind}; charset=UTF-8"
    )


async def show(ask: Ask) -> Reply:
    """GET /stacks/{name}/{id}."""
    stack = await ask.stack(deleted=True)
    return Reply(body={"stack": await _detail(ask, stack)})


async def update(ask: Ask) -> Reply:
    """PUT /stacks/{name}/{id}."""
    return await _update(ask, existing=False)


async def patch(ask: Ask) -> Reply:
    """PATCH /stacks/{name}/{id}."""
    return await _update(ask, existing=True)


async def preview_put(ask: Ask) -> Reply:
    """PUT /stacks/{name}/{id}/preview."""
    return await _preview_update(ask, existing=False)


async def preview_patch(ask: Ask) -> Reply:
    """PATCH /stacks/{name}/{id}/preview."""
    return await _preview_update(ask, existing=True)


async def delete(ask: Ask) -> Reply:
    """DELETE /stacks/{name}/{id}."""
    await delete_stack(ask.control, ask.caller, await ask.stack())
    return empty(204)


async def _body(ask: Ask) -> Body:
    return await with_template(ask.control, ask.call.json_object())


async def _detail(ask: Ask, stack: StackRecord) -> dict[str, Any]:
    outputs = None
    if ask.flag("resolve_outputs", default=True):
        outputs = await stack_outputs(ask.control, stack)
    parameters = await stack_parameters(ask.control, stack)
    return views.stack_detail(ask.root, stack, parameters, outputs)


async def _update(ask: Ask, *, existing: bool) -> Reply:
    request = update_request(await _body(ask), existing=existing)
    await update_stack(ask.control, ask.caller, await ask.stack(), request)
    return plain(202, ACCEPTED)


async def _preview_update(ask: Ask, *, existing: bool) -> Reply:
    request = update_request(await _body(ask), existing=existing)
    stack = await ask.stack()
    preview = await preview_update(ask.control, ask.caller, stack, request)
    nested = ask.flag("show_nested")
    if nested:
        preview = await with_children(ask.control, preview)
    return Reply(body={"resource_changes": await update_view(ask, preview, nested=nested)})


def _query(ask: Ask) -> tuple[ProjectId | None, StackQuery]:
    """The listing asked for. Unknown query parameters are ignored, as Heat does."""
    everyone = ask.flag("global_tenant")
    if everyone:
        enforce(ask.caller, "stacks:index_all_projects")
    elif ask.caller.scope is Scope.SYSTEM:
        raise Forbidden(
            "The token is for the whole system, and a listing is of one project.",
            remedy="Ask for all projects (global_tenant=true), or log in to the project.",
        )
    states = ask.texts("status", "stack_status")
    # `status` is compared with the status alone, but a full state is what lists show.
    known = {status.value for status in Status}
    plain_states = tuple(state for state in states if state in known)
    full = [state for state in states if state not in known]
    statuses = plain_states + tuple(s for state in full for s in known if state.endswith(f"_{s}"))
    actions = ask.texts("action", "stack_action") + tuple(
        state.removesuffix(f"_{s}") for state in full for s in known if state.endswith(f"_{s}")
    )
    unknown = bool(states) and not statuses
    query = StackQuery(
        limit=ask.number("limit"),
        marker=ask.call.first("marker"),
        sort_keys=tuple(
            key for text in ask.texts("sort_keys") for key in text.split(",") if key.strip()
        ),
        sort_dir=ask.call.first("sort_dir") or "desc",
        ids=ask.texts("id"),
        names=ask.texts("name", "stack_name"),
        # A status that does not exist is that of no stack.
        statuses=states if unknown else statuses,
        actions=actions,
        owners=ask.texts("username"),
        owner_id=ask.call.first("owner_id"),
        tags=ask.listed("tags"),
        tags_any=ask.listed("tags_any"),
        not_tags=ask.listed("not_tags"),
        not_tags_any=ask.listed("not_tags_any"),
        show_hidden=ask.flag("show_hidden"),
        show_deleted=ask.flag("show_deleted"),
        show_nested=ask.flag("show_nested"),
    )
    return (None if everyone else ask.caller.project_id), query
