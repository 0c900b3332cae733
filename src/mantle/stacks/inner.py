"""Checks the stacks that a template holds as text: OS::Heat::Stack, before anything is made.

A template file as a type is checked with the template that uses it. These are checked here, against
the cloud they go to, and refused in the words Heat's clients know.
"""

from collections.abc import Mapping
from typing import Any

from mantle.access.catalog import REGION
from mantle.clouds.ports import CloudError, FarWish, Refused
from mantle.engine.operation import computed, size_of
from mantle.engine.regions import cloud_of_region, regions
from mantle.model.errors import Findings, Invalid, MantleError
from mantle.model.graph import ResourceDefinition, TemplateSource
from mantle.model.records import StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.values import Unknown, unknowns_in
from mantle.resources.heat.far_stack import is_far
from mantle.stacks.accept import check_size
from mantle.stacks.asking import Catalogue, catalogue_of, load_asking, with_cloud
from mantle.stacks.control import Control
from mantle.template.asked import Asked
from mantle.template.loaded import Loaded, NothingYet
from mantle.template.operator import handed_on
from mantle.template.resolve import resolve
from mantle.template.validate import load_template

TYPE = "OS::Heat::Stack"


async def load_whole(
    control: Control,
    stack: StackRecord,
    source: TemplateSource,
    before: str | None = None,
) -> Loaded:
    """A stack's template with all that is in it, asked about at its clouds, within the limits.

    `before` is the id of the source the stack is made from now. Raises `Invalid` with all problems.
    """
    catalogue = catalogue_of(control, stack.project_id, stack.owner_id)
    loaded = await load_asking(control, stack, source, catalogue, before)
    await check_size(control, stack.project_id, loaded)
    check_sinks(control, loaded)
    check_rests(control, stack, loaded, making=before is None)
    await check_inner_stacks(control, stack, loaded, catalogue)
    return loaded


def check_rests(control: Control, stack: StackRecord, loaded: Loaded, *, making: bool) -> None:
    """Refuse a policy whose pauses alone take longer than the stack's operations may."""
    findings = Findings()
    minutes = stack.timeout_minutes
    allowed = 60.0 * minutes if minutes else control.settings.operation_timeout_seconds
    for name, definition in loaded.graph.resources.items():
        facts = loaded.facts.get(definition.resolved_type)
        if facts is None or facts.rests is None or not definition.update_policy:
            continue
        scope = loaded.scope(NothingYet())
        policy = resolve(definition.update_policy, scope)
        properties = resolve(definition.properties, scope)
        if not isinstance(policy, dict) or not isinstance(properties, dict):
            continue
        seconds = facts.rests(properties, policy, making=making)
        if seconds > allowed:
            which = "batch_create" if making else "rolling_update"
            findings.add(
                "update-policy",
                f"The current update policy will result in stack update timeout: the pauses of "
                f"{which} in {name!r} take {seconds:.0f} s, its operations may take "
                f"{allowed:.0f} s.",
                (*definition.path, "update_policy", which),
                remedy="Make the batches larger, the pauses shorter, or raise timeout_mins.",
            )
    findings.raise_if_any()
    for inner in loaded.nested.values():
        check_rests(control, stack, inner, making=making)


def check_sinks(control: Control, loaded: Loaded) -> None:
    """Refuse a sink where nothing may be sent; a name is looked up when there is something."""
    findings = Findings()
    own = sinks_of(control.settings.operator.environment.event_sinks)
    for position, sink in enumerate(sinks_of(loaded.environment.event_sinks)):
        why = None if sink in own else control.settings.destinations.why_not(sink.target)
        if why is not None:
            findings.add(
                "event-sink",
                f"Events may not be sent to {sink.target[:500]}: {why}.",
                ("event_sinks", position),
                remedy="Ask whoever runs Mantle to allow it (mantle up --destinations).",
            )
    findings.raise_if_any()


async def check_inner_stacks(
    control: Control, stack: StackRecord, loaded: Loaded, catalogue: Catalogue
) -> None:
    """Raise on the first region that is not there, and the first template that is wrong.

    What depends on resources that do not exist yet is left to the create.
    """
    for definition in loaded.graph.resources.values():
        if definition.resolved_type == TYPE:
            await _check(control, stack, loaded, definition, catalogue)
    for inner in loaded.nested.values():
        await check_inner_stacks(control, stack, inner, catalogue)


async def _check(
    control: Control,
    stack: StackRecord,
    loaded: Loaded,
    definition: ResourceDefinition,
    catalogue: Catalogue,
) -> None:
    properties = resolve(definition.properties, loaded.scope(NothingYet()))
    if not isinstance(properties, dict):
        return
    context = properties.get("context") or {}
    if is_far(properties):
        await _check_far(control, stack, loaded, properties)
        return
    region = context.get("region_name") if isinstance(context, dict) else None
    if isinstance(region, Unknown):
        return
    cloud = cloud_of_region(control.clouds, stack.cloud, None if region is None else str(region))
    if cloud is None:
        raise MantleError(
            f'Cannot establish connection to Heat endpoint at region "{region}" due to '
            f'"public endpoint for orchestration service in {region} region not found".',
            remedy=f"Known here: {', '.join(regions(control.clouds))}. A region of another Mantle "
            "or Heat takes credentials: credential_secret_id.",
            fault="StackValidationFailed",
        )
    template = properties.get("template")
    if not isinstance(template, str):
        return
    source = TemplateSource(
        template=template,
        files=loaded.source.files,
        template_name=definition.name,
        secrets=loaded.graph.secret_values,
    )
    inside = loaded.child_environment(definition)

    async def work(asked: list[Asked]) -> Loaded:
        return await computed(
            size_of(source),
            load_template,
            source,
            types=control.registry.facts,
            stack_name=stack.name,
            stack_id=stack.id,
            project_id=stack.project_id,
            limitations=control.machine.limitations(cloud),
            require_values=False,
            environment=inside,
            depth=stack.depth + 1,
            asked=asked,
            operator=control.settings.operator,
            bounds=control.settings.bounds,
        )

    try:
        await with_cloud(catalogue, cloud, work)
    except Invalid as error:
        raise MantleError(
            f'Failed validating stack template using Heat endpoint at region "{region or REGION}" '
            f'due to "ERROR: {error.problems[0].message}"',
            fault="StackValidationFailed",
        ) from error


async def _check_far(
    control: Control, stack: StackRecord, loaded: Loaded, properties: Mapping[str, Any]
) -> None:
    """Have the Heat there say what it thinks of the template; what is unknown is left for later."""
    context, template = properties["context"], properties.get("template")
    if unknowns_in(context) or not isinstance(template, str):
        return
    region = context.get("region_name") or REGION
    files, environment = handed_on(loaded.source, control.settings.operator)
    parameters = {
        name: value
        for name, value in (properties.get("parameters") or {}).items()
        if not unknowns_in(value)
    }
    wish = FarWish(template=template, files=files, environment=environment, parameters=parameters)
    try:
        far = await control.machine.far.connect(stack.project_id, context)
        try:
            await far.validate(wish)
        finally:
            await far.close()
    except CloudError as error:
        told = error.message if isinstance(error, Refused) else ""
        message = (
            f'Failed validating stack template using Heat endpoint at region "{region}" due to '
            f'"{told}"'
            if told
            else f'Cannot establish connection to Heat endpoint at region "{region}" due to '
            f'"{error.message}".'
        )
        raise MantleError(message, remedy=error.remedy, fault="StackValidationFailed") from error
