"""A stack as a document, in the shape that Heat's abandon and export give and adopt takes."""

from typing import Any

from mantle.engine.deeds import OWN_NOTES
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.stacks.queries import list_resources, stack_source
from mantle.template.environment import load_environment
from mantle.template.load import parse


async def export_stack(control: Control, stack: StackRecord) -> dict[str, Any]:
    """Template, environment, files and every resource with its physical id."""
    source = await stack_source(control, stack)
    template = source.template
    resources: dict[str, Any] = {}
    for view in await list_resources(control, stack):
        row = view.record
        entry: dict[str, Any] = {
            "name": row.name,
            "type": row.type,
            "action": row.action,
            "status": row.status,
            "resource_id": row.physical_id,
            "resource_data": {k: v for k, v in row.data.items() if k not in OWN_NOTES},
            "metadata": dict(row.metadata),
        }
        if view.nested_stack is not None:
            entry |= await export_stack(control, view.nested_stack)
        resources[row.name] = entry
    return {
        "name": stack.name,
        "id": stack.id,
        "action": stack.action,
        "status": stack.status,
        "project_id": stack.project_id,
        "stack_user_project_id": stack.project_id,
        "template": parse(template).data if isinstance(template, str) else dict(template),
        "environment": load_environment(source).as_data(),
        "files": dict(source.files),
        "resources": resources,
    }
