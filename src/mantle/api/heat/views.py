"""Records as Heat shows them: pure functions from a record to plain data.

`root` is the absolute address of the project's API; every link begins with it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.schema import ResourceSchema
from mantle.model.software import SoftwareConfig, SoftwareDeployment
from mantle.resources.heat.deriving import SECRET_INPUTS
from mantle.stacks.queries import EventView, OutputView, ResourceView

Data = dict[str, Any]

MASK = "******"


def when(seconds: float | None) -> str | None:
    """Heat's time format: UTC, whole seconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def link(href: str, rel: str = "self") -> Data:
    """One link."""
    return {"href": href, "rel": rel}


def stack_url(root: str, stack: StackRecord) -> str:
    """Where a stack is."""
    return f"{root}/stacks/{quote(stack.name, safe='')}/{stack.id}"


def resource_url(root: str, stack: StackRecord, name: str) -> str:
    """Where a resource is."""
    return f"{stack_url(root, stack)}/resources/{quote(name, safe='')}"


# --- stacks ----------------------------------------------------------------------------------


def stack_created(root: str, stack: StackRecord) -> Data:
    """The answer to a create."""
    return {"id": stack.id, "links": [link(stack_url(root, stack))]}


def stack_summary(root: str, stack: StackRecord, *, with_project: bool = False) -> Data:
    """A row of the stack list."""
    row = {
        "id": stack.id,
        "links": [link(stack_url(root, stack))],
        "stack_name": stack.name,
        "description": stack.description,
        "stack_status": stack.state,
        "stack_status_reason": stack.reason,
        "creation_time": when(stack.created_at),
        "updated_time": when(stack.updated_at),
        "deletion_time": when(stack.deleted_at),
        "stack_owner": stack.owner_name,
        "parent": stack.parent_id,
        "stack_user_project_id": stack.project_id,
        "tags": list(stack.tags) or None,
    }
    if with_project:
        row["project"] = stack.project_id
    return row


def stack_detail(
    root: str,
    stack: StackRecord,
    parameters: Mapping[str, str],
    outputs: Sequence[OutputView] | None,
) -> Data:
    """A stack in full. None as outputs leaves them out."""
    detail = stack_summary(root, stack) | {
        "notification_topics": [],
        "parameters": dict(parameters),
        "template_description": stack.description,
        "capabilities": [],
        "disable_rollback": stack.disable_rollback,
        "timeout_mins": stack.timeout_minutes,
    }
    if outputs is not None:
        detail["outputs"] = [output_detail(output) for output in outputs]
    return detail


def output_summary(output: OutputView) -> Data:
    """A row of the output list."""
    return {"output_key": output.name, "description": output.description or NO_DESCRIPTION}


def output_detail(output: OutputView) -> Data:
    """An output with its value; what went wrong instead, where it did."""
    detail = output_summary(output) | {"output_value": output.value}
    if output.error:
        detail["output_error"] = output.error
    return detail


NO_DESCRIPTION = "No description given"


# --- resources -------------------------------------------------------------------------------


def resource_summary(root: str, view: ResourceView) -> Data:
    """A row of the resource list."""
    record, stack = view.record, view.stack
    links = [
        link(resource_url(root, stack, record.name)),
        link(stack_url(root, stack), "stack"),
    ]
    if view.nested_stack is not None:
        links.append(link(stack_url(root, view.nested_stack), "nested"))
    row = {
        "resource_name": record.name,
        "logical_resource_id": record.name,
        "physical_resource_id": record.physical_id or "",
        "resource_type": record.type,
        "resource_status": record.state,
        "resource_status_reason": record.reason,
        "creation_time": when(record.created_at),
        "updated_time": when(record.updated_at or record.created_at),
        "required_by": list(view.required_by),
        "links": links,
    }
    if view.parent_resource is not None:
        row["parent_resource"] = view.parent_resource
    return row


def resource_detail(
    root: str, view: ResourceView, attributes: Mapping[str, Any], description: str = ""
) -> Data:
    """A resource with its attributes."""
    return resource_summary(root, view) | {
        "description": description,
        "attributes": dict(attributes),
    }


def shown_attributes(
    record: ResourceRecord, schema: ResourceSchema, wanted: Sequence[str] = (), *, secrets: bool
) -> Data:
    """The attributes a caller may see. One who may only read sees no secret ones."""
    shown: Data = {}
    for name, value in record.attributes.items():
        attribute = schema.attributes.get(name)
        hidden = attribute is not None and attribute.secret and not secrets
        shown[name] = MASK if hidden else value
    for name in wanted:
        shown.setdefault(name, None)
    return shown


def resource_preview(
    root: str,
    stack: StackRecord,
    *,
    name: str,
    resource_type: str,
    properties: Mapping[str, Any],
    required_by: Sequence[str],
    metadata: Mapping[str, Any],
    description: str,
    attributes: Sequence[str],
) -> Data:
    """A resource that does not exist, in the preview of a stack."""
    return {
        "resource_name": name,
        "logical_resource_id": name,
        "physical_resource_id": "",
        "resource_type": resource_type,
        "resource_status": "COMPLETE",
        "resource_status_reason": "",
        "resource_action": "INIT",
        "creation_time": None,
        "updated_time": None,
        "required_by": list(required_by),
        "description": description,
        "attributes": dict.fromkeys(attributes),
        "metadata": dict(metadata),
        "properties": dict(properties),
        "resource_identity": {
            "tenant": stack.project_id,
            "stack_name": stack.name,
            "stack_id": "None",
            "path": f"/resources/{name}",
        },
        "stack_identity": {
            "tenant": stack.project_id,
            "stack_name": stack.name,
            "stack_id": "None",
            "path": "",
        },
        "links": [
            link(f"{root}/stacks/{stack.name}/None/resources/{quote(name, safe='')}"),
            link(f"{root}/stacks/{stack.name}/None", "stack"),
        ],
        "stack_name": stack.name,
    }


# --- events ----------------------------------------------------------------------------------


def event_summary(root: str, view: EventView, root_stack: StackRecord | None = None) -> Data:
    """A row of the event list. `root_stack` is given when children are listed too."""
    event, stack = view.event, view.stack
    links = [
        link(f"{resource_url(root, stack, event.resource)}/events/{event.id}"),
        link(resource_url(root, stack, event.resource), "resource"),
        link(stack_url(root, stack), "stack"),
    ]
    if root_stack is not None:
        links.append(link(stack_url(root, root_stack), "root_stack"))
    return {
        "id": event.id,
        "event_time": when(event.at),
        "resource_name": event.resource,
        "logical_resource_id": event.resource,
        "physical_resource_id": event.physical_id,
        "resource_status": f"{event.action}_{event.status}",
        "resource_status_reason": event.reason,
        "links": links,
    }


def event_detail(root: str, view: EventView, properties: Mapping[str, Any]) -> Data:
    """One event."""
    return event_summary(root, view) | {
        "resource_type": view.event.resource_type,
        "resource_properties": dict(properties),
    }


# --- software --------------------------------------------------------------------------------


def config_summary(config: SoftwareConfig, *, with_project: bool = False) -> Data:
    """A row of the configuration list."""
    row = {
        "id": config.id,
        "name": config.name,
        "group": config.group,
        "creation_time": when(config.created_at),
    }
    if with_project:
        row["project"] = config.project_id
    return row


def config_detail(config: SoftwareConfig, *, secrets: bool = True) -> Data:
    """A configuration in full; one who may only read does not see how a server answers."""
    return config_summary(config) | {
        "config": config.config,
        "inputs": [
            {**entry, "value": MASK}
            if not secrets and entry["name"] in SECRET_INPUTS
            else dict(entry)
            for entry in config.inputs
        ],
        "outputs": [dict(entry) for entry in config.outputs],
        "options": dict(config.options),
    }


def deployment_detail(deployment: SoftwareDeployment) -> Data:
    """A deployment."""
    return {
        "id": deployment.id,
        "config_id": deployment.config_id,
        "server_id": deployment.server_id,
        "action": deployment.action,
        "status": deployment.status,
        "status_reason": deployment.status_reason,
        "input_values": dict(deployment.input_values),
        "output_values": dict(deployment.output_values),
        "creation_time": when(deployment.created_at),
        "updated_time": when(deployment.updated_at),
    }


def server_config(
    config: SoftwareConfig, deployment: SoftwareDeployment, *, secrets: bool = True
) -> Data:
    """A configuration as its server's agent reads it: inputs carry the deployment's values."""
    detail = config_detail(config, secrets=secrets)
    for entry in detail["inputs"]:
        if entry["name"] in deployment.input_values:
            entry["value"] = deployment.input_values[entry["name"]]
    return detail
