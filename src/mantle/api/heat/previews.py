"""What a create or an update would do, in Heat's shape: five lists of resources, without reasons.

`/v2/plans` says it better; these are for Heat's clients.
"""

from collections.abc import Mapping
from typing import Any

from mantle.api.heat import views
from mantle.api.heat.ask import Ask
from mantle.model.graph import ResourceDefinition
from mantle.model.plan import Step, StepKind
from mantle.model.values import Call, Unknown
from mantle.stacks.control import Control
from mantle.stacks.previews import Preview
from mantle.stacks.queries import list_resources
from mantle.template.loaded import Loaded


def preview_view(root: str, preview: Preview, control: Control) -> dict[str, Any]:
    """A stack that was not created; Heat writes the id it does not have as "None"."""
    stack, loaded = preview.stack, preview.loaded
    parameters = {
        name: views.MASK
        if name in loaded.graph.parameters and _hidden(loaded, name)
        else str(value)
        for name, value in loaded.graph.parameter_values.items()
    }
    detail = views.stack_detail(root, stack, parameters | {"OS::stack_id": "None"}, None)
    detail["id"] = "None"
    detail["links"] = [views.link(f"{root}/stacks/{stack.name}/None")]
    detail["resources"] = _resources(root, preview, control)
    return detail


def _resources(root: str, preview: Preview, control: Control) -> list[Any]:
    """Each resource; in the place of one that is a stack of its own, the list of what is in it."""
    graph = preview.loaded.graph
    steps = {step.resource: step for step in preview.plan.steps if step.kind is StepKind.CREATE}
    needed: dict[str, list[str]] = {}
    for definition in graph.resources.values():
        for name in definition.references:
            needed.setdefault(name, []).append(definition.name)
    found: list[Any] = []
    for definition in graph.resources.values():
        child = preview.children.get(definition.name)
        if child is not None:
            found.append(_resources(root, child, control))
            continue
        attributes = preview.loaded.facts[definition.resolved_type].schema.attributes
        entry = views.resource_preview(
            root,
            preview.stack,
            name=definition.name,
            resource_type=definition.type,
            properties=_properties(definition, steps.get(definition.name), control),
            required_by=needed.get(definition.name, ()),
            metadata=_plain(definition.metadata) or {},
            description=definition.description,
            attributes=sorted(attributes),
        )
        if preview.stack.parent_resource is not None:
            entry["parent_resource"] = preview.stack.parent_resource
        found.append(entry)
    return found


async def update_view(
    ask: Ask, preview: Preview, *, nested: bool = False
) -> dict[str, list[dict[str, Any]]]:
    """The plan's steps, sorted into Heat's lists; those of inner stacks too when asked for."""
    lists: dict[str, list[dict[str, Any]]] = {
        "unchanged": [],
        "updated": [],
        "replaced": [],
        "added": [],
        "deleted": [],
    }
    await _sort(ask, preview, lists)
    waiting = list(preview.children.values()) if nested else []
    while waiting:
        child = waiting.pop(0)
        await _sort(ask, child, lists)
        waiting.extend(child.children.values())
    return lists


async def _sort(ask: Ask, preview: Preview, lists: dict[str, list[dict[str, Any]]]) -> None:
    stack, plan = preview.stack, preview.plan
    present = {view.record.name: view for view in await list_resources(ask.control, stack)}
    replaced = {step.resource for step in plan.steps if step.replaces is not None}

    def add(list_name: str, name: str, resource_type: str) -> None:
        view = present.get(name)
        entry: dict[str, Any] = (
            views.resource_summary(ask.root, view)
            if view is not None
            else {"resource_name": name, "resource_type": resource_type}
        )
        identity = {
            "tenant": stack.project_id,
            "stack_name": stack.name,
            "stack_id": stack.id,
        }
        entry["stack_name"] = stack.name
        entry |= {
            "stack_identity": identity | {"path": ""},
            "resource_identity": identity | {"path": f"/resources/{name}"},
        }
        if stack.parent_resource is not None:
            entry["parent_resource"] = stack.parent_resource
        lists[list_name].append(entry)

    for step in plan.steps:
        if chosen := _list_of(step, replaced):
            add(chosen, step.resource, step.resource_type)
    for name in plan.unchanged:
        add("unchanged", name, "")


def _list_of(step: Step, replaced: set[str]) -> str:
    """Which list a step belongs to; none for the removal that is half of a replacement."""
    match step.kind:
        case StepKind.CREATE:
            return "replaced" if step.resource in replaced else "added"
        case StepKind.UPDATE:
            return "updated"
        case StepKind.DELETE | StepKind.FORGET:
            return "" if step.resource in replaced else "deleted"
        case StepKind.KEEP:
            return "unchanged"
        case _:
            return ""


def _properties(
    definition: ResourceDefinition, step: Step | None, control: Control
) -> Mapping[str, Any]:
    """The exact values of the plan; secret ones are masked there already."""
    kind = control.registry.types.get(definition.resolved_type)
    declared = kind.schema.properties if kind else {}
    defaults = {name: prop.default for name, prop in declared.items()}
    if step is not None and step.changes:
        return defaults | {change.path: _plain(change.after) for change in step.changes}
    return defaults | {
        name: views.MASK if name in declared and declared[name].secret else _plain(value)
        for name, value in definition.properties.items()
    }


def _plain(value: Any) -> Any:
    """A value that may hold calls and unknowns, as JSON."""
    match value:
        case Unknown():
            return None
        case Call():
            return {value.function: _plain(value.argument)}
        case dict():
            return {key: _plain(part) for key, part in value.items()}
        case list():
            return [_plain(part) for part in value]
        case str() | int() | float() | bool() | None:
            return value
        case _:
            return str(value)


def _hidden(loaded: Loaded, name: str) -> bool:
    return loaded.graph.parameters[name].hidden
