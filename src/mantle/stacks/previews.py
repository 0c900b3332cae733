"""What the stacks inside a stack would become, before any of them exists.

A preview goes down through nested templates and groups, as creating would. What only a created
resource will know stays unknown on the way down: the inner template gets it as a parameter that
has no value yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.engine.deeds import name_hint
from mantle.engine.drifting import seen_rows
from mantle.engine.operation import computed, make_plan, size_of
from mantle.model.drift import Finding
from mantle.model.graph import ResourceDefinition, TemplateSource
from mantle.model.ids import ResourceId, StackId, Token
from mantle.model.plan import Plan
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.model.values import Unknown
from mantle.plan.stack import desired_properties
from mantle.resources.kit import Context, Delegate, Ref, ResourceType
from mantle.stacks.control import Control
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.template.contents import stand_in
from mantle.template.loaded import Loaded, NothingYet
from mantle.template.resolve import resolve
from mantle.template.validate import load_template


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One stack as an operation would make it, and the stacks inside it by resource name."""

    stack: StackRecord
    loaded: Loaded
    plan: Plan
    children: Mapping[str, "Preview"] = field(default_factory=dict)
    drift: Sequence[Finding] = ()
    """What it brings back besides, here and inside."""


async def with_children(control: Control, preview: Preview) -> Preview:
    """The same with every stack inside it planned too, down to the deepest."""
    children: dict[str, Preview] = {}
    for definition in preview.loaded.graph.resources.values():
        source = await _source_of(control, preview, definition)
        if source is not None:
            children[definition.name] = await _child(control, preview, definition, source)
    return replace(preview, children=children)


async def _child(
    control: Control, preview: Preview, definition: ResourceDefinition, source: TemplateSource
) -> Preview:
    parent = preview.stack
    child = await _existing(control, parent, definition.name)
    rows: list[ResourceRecord] = []
    if child is None:
        child_id = StackId(control.new_id())
        child = replace(
            parent,
            id=child_id,
            name=f"{parent.name}-{definition.name}",
            action=Action.CREATE,
            status=Status.IN_PROGRESS,
            source_id="",
            parent_id=parent.id,
            parent_resource=definition.name,
            depth=parent.depth + 1,
        )
    else:
        rows = await control.database.read(resource_rows.of_stack, child.id)
    loaded = await computed(
        size_of(source),
        load_template,
        source,
        types=control.registry.facts,
        stack_name=child.name,
        stack_id=child.id,
        project_id=child.project_id,
        limitations=control.machine.limitations(child.cloud),
        require_values=False,
        environment=replace(
            preview.loaded.child_environment(definition), parameters=dict(source.parameters)
        ),
        depth=child.depth,
        operator=control.settings.operator,
        bounds=control.settings.bounds,
    )
    child = replace(child, description=loaded.graph.description)
    action = Action.UPDATE if rows else Action.CREATE
    seen = await control.database.read(seen_rows, child.id, rows, preview.drift)
    plan = await make_plan(control.machine, child, action, loaded, seen, only_shown=True)
    inner = Preview(stack=child, loaded=loaded, plan=plan, drift=preview.drift)
    return await with_children(control, inner)


async def _existing(control: Control, parent: StackRecord, name: str) -> StackRecord | None:
    children = await control.database.read(stack_rows.children, parent.id)
    return next((child for child in children if child.parent_resource == name), None)


async def _source_of(
    control: Control, preview: Preview, definition: ResourceDefinition
) -> TemplateSource | None:
    """What the stack inside a resource would be made from; None for a resource without one."""
    loaded = preview.loaded
    if definition.is_template:
        properties = desired_properties(loaded, definition.name, NothingYet())
        known = {name: value for name, value in properties.items() if not _holds_unknown(value)}
        return loaded.child_source(definition, known)
    kind = control.registry.types.get(definition.resolved_type)
    if kind is None or not kind.facts.contains_resources:
        return None
    properties = desired_properties(loaded, definition.name, NothingYet())
    if kind.elsewhere(properties):
        return None
    pending: dict[str, Unknown] = {}
    given = stand_in(properties, pending)
    outcome = await kind.create(_context(control, preview, definition, kind, given))
    if not isinstance(outcome, Delegate) or isinstance(outcome.template, str):
        return None
    parameters = {name: {"type": "json"} for name in pending}
    template = dict(outcome.template)
    template["parameters"] = {**template.get("parameters", {}), **parameters}
    return TemplateSource(
        template=template,
        files={**loaded.source.files, **outcome.files},
        parameters=dict(outcome.parameters),
        template_name=f"{definition.name} ({definition.type})",
        secrets=loaded.graph.secret_values,
    )


def _context(
    control: Control,
    preview: Preview,
    definition: ResourceDefinition,
    kind: ResourceType,
    properties: Mapping[str, Any],
) -> Context:
    stack = preview.stack
    ref = Ref(
        id=ResourceId(control.new_id()),
        name=definition.name,
        stack_id=stack.id,
        stack_name=stack.name,
        project_id=stack.project_id,
        token=Token(control.new_id()),
    )
    policy = resolve(definition.update_policy, preview.loaded.scope(NothingYet()))
    return Context(
        ref=ref,
        properties=properties,
        cloud=control.machine.session(stack),
        now=control.clock.now(),
        started_at=control.clock.now(),
        random=control.random,
        callbacks=control.machine.links,
        name_hint=name_hint(stack.name, definition.name, ref.token, kind.schema.name_limit),
        update_policy=policy if isinstance(policy, dict) else {},
    )


def _holds_unknown(value: Any) -> bool:
    match value:
        case Unknown():
            return True
        case dict():
            return any(map(_holds_unknown, value.values()))
        case list():
            return any(map(_holds_unknown, value))
        case _:
            return False
