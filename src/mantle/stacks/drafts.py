"""A change as it would be accepted: the stack it leads to, its source, and the plan.

What saving and applying a plan share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mantle.access.caller import Caller
from mantle.engine.drifting import seen_rows
from mantle.engine.operation import load, plan_in_full
from mantle.engine.shelter import is_container
from mantle.model.drift import Finding
from mantle.model.errors import NotSupported
from mantle.model.graph import ResourceDefinition, TemplateSource
from mantle.model.ids import StepKey
from mantle.model.plan import Step, StepKind
from mantle.model.policies import Asker
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.plan.render import plan_json
from mantle.plan.stack import Planned
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, check_room
from mantle.stacks.create import draft as new_stack
from mantle.stacks.inner import load_whole
from mantle.stacks.observing import observed
from mantle.stacks.previews import Preview, with_children
from mantle.stacks.update import UpdateRequest, wanted_update
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.template.loaded import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One change, planned."""

    action: Action
    stack: StackRecord
    """As it will be accepted."""
    fresh: bool
    """True for a stack that does not exist yet."""
    source: TemplateSource | None
    loaded: Loaded | None
    rows: Sequence[ResourceRecord]
    planned: Planned
    drift: Sequence[Finding] = ()
    """What it brings back besides, here and inside."""

    @property
    def definitions(self) -> Mapping[str, ResourceDefinition]:
        """The wanted resources."""
        return self.loaded.graph.resources if self.loaded else {}


async def draft_create(control: Control, caller: Caller, request: CreateRequest) -> Draft:
    """A new stack."""
    stack = new_stack(control, caller, request)
    await check_room(control, caller, stack)
    loaded = await load_whole(control, stack, request.source)
    stack = replace(stack, description=loaded.graph.description)
    return await _planned(
        control, asker_of(caller), Action.CREATE, stack, request.source, loaded, fresh=True
    )


async def draft_update(
    control: Control, caller: Caller, stack: StackRecord, request: UpdateRequest
) -> Draft:
    """A change of an existing one."""
    wanted, source, loaded = await wanted_update(control, stack, request)
    found = await observed(control, stack) if request.converge else []
    asker = asker_of(caller)
    return await _planned(control, asker, Action.UPDATE, wanted, source, loaded, found=found)


async def draft_delete(control: Control, caller: Caller, stack: StackRecord) -> Draft:
    """Its end."""
    return await _planned(control, asker_of(caller), Action.DELETE, stack, None, None)


async def draft_rollback(control: Control, caller: Caller, stack: StackRecord) -> Draft:
    """The way back to what was before the update that failed."""
    if stack.previous_source_id is None:
        raise NotSupported(
            f"Stack {stack.name!r} is {stack.state}; there is no earlier state to return to.",
            remedy="Only an update that has not come to a good end can be rolled back.",
        )
    source = await control.database.read(stack_rows.load_source, stack.previous_source_id)
    loaded = await load(control.machine, stack, source)
    return await _planned(control, asker_of(caller), Action.ROLLBACK, stack, source, loaded)


async def _planned(
    control: Control,
    asker: Asker,
    action: Action,
    stack: StackRecord,
    source: TemplateSource | None,
    loaded: Loaded | None,
    *,
    fresh: bool = False,
    found: Sequence[Finding] = (),
) -> Draft:
    rows: list[ResourceRecord] = []
    if not fresh:
        rows = await control.database.read(resource_rows.of_stack, stack.id)
    seen = await control.database.read(seen_rows, stack.id, rows, found)
    planned = await plan_in_full(
        control.machine, stack, action, loaded, seen, asker=asker, only_shown=True
    )
    return Draft(
        action=action,
        stack=stack,
        fresh=fresh,
        source=source,
        loaded=loaded,
        rows=rows,
        planned=planned,
        drift=found,
    )


async def nested_of(
    control: Control, draft: Draft, steps: Sequence[Step]
) -> tuple[dict[StepKey, dict[str, Any]], dict[str, Preview]]:
    """What the stacks inside these steps' resources would do: to compare by path, and to show."""
    machine = control.machine
    by_id = {row.id: row for row in draft.rows}
    names: dict[str, StepKey] = {}
    for step in steps:
        definition = draft.definitions.get(step.resource)
        if step.kind not in {StepKind.CREATE, StepKind.UPDATE} or definition is None:
            continue
        row = by_id.get(step.resource_id)
        facts = machine.registry.facts.get(definition.resolved_type)
        inside = definition.is_template or (facts is not None and facts.contains_resources)
        if inside or (row is not None and is_container(machine, row)):
            names[step.resource] = step.key
    if not names or draft.loaded is None:
        return {}, {}
    preview = Preview(
        stack=draft.stack, loaded=draft.loaded, plan=draft.planned.plan, drift=draft.drift
    )
    whole = await with_children(control, preview)
    shown = {name: child for name, child in whole.children.items() if name in names}
    return {names[name]: _deeds(child) for name, child in shown.items()}, shown


def _deeds(preview: Preview, path: str = "") -> dict[str, Any]:
    """What is to be done to each resource inside, by its path, without ids that are new each time.

    A resource may have several steps: they are listed in their order.
    """
    found: dict[str, Any] = {}
    for step in plan_json(preview.plan)["steps"]:
        deed = {key: step[key] for key in ("kind", "resource_type", "changes")}
        found.setdefault(f"{path}{step['resource']}", []).append(deed)
    for name, child in preview.children.items():
        found |= _deeds(child, f"{path}{name}/")
    return found
