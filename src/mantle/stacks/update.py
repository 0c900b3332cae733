"""Update a stack: whole (PUT) or in parts (PATCH), also while another operation runs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.access.caller import Caller
from mantle.engine.drifting import seen_rows
from mantle.model.errors import Conflict, Invalid, MantleError, NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.plan import Plan
from mantle.model.policies import Asker
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.inner import load_whole
from mantle.stacks.names import check_tags
from mantle.stacks.observing import observed
from mantle.stacks.previews import Preview
from mantle.stacks.queries import load_stack
from mantle.stacks.unmoved import refuse_moved
from mantle.store import drift as drift_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.environment import load_environment
from mantle.template.load import parse
from mantle.template.loaded import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRequest:
    """What a caller asks for. `existing` keeps whatever is not given (Heat's PATCH)."""

    template: str | Mapping[str, Any] | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    environment: str | Mapping[str, Any] = field(default_factory=dict)
    environment_files: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    clear_parameters: tuple[str, ...] = ()
    existing: bool = False
    disable_rollback: bool | None = None
    timeout_minutes: int | None = None
    tags: tuple[str, ...] | None = None
    template_name: str = "template"
    converge: bool = False
    """Look at what is there first, and bring back what was changed beside us as well."""


async def update_stack(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    request: UpdateRequest,
    *,
    prepare: Callable[[Connection], None] | None = None,
) -> OperationRecord:
    """Accept the update; durable when this returns.

    `prepare` changes rows in the same transaction, or raises to refuse; the plan is then made when
    the operation's turn comes.

    An operation under way is overtaken: its running steps finish, then this one plans from what is
    there. One that is to converge looks at the cloud then. Raises `NotSupported` for a suspended
    stack, `Conflict` for one being deleted.
    """
    await control.machine.deferral.ensure(caller, stack.cloud)
    wanted, source, loaded = await wanted_update(control, stack, request)
    busy = bool(await control.database.read(operation_rows.live_of_stack, stack.id))
    looks = request.converge and not busy and prepare is None
    found = await observed(control, stack) if looks else []
    rows = [] if busy else await control.database.read(resource_rows.of_stack, stack.id)
    seen = await control.database.read(seen_rows, stack.id, rows, found)
    plan = (
        None
        if busy or prepare is not None
        else await _plan_if_it_may_be(control, stack, loaded, seen, asker_of(caller))
    )
    operation = new_operation(control, caller, wanted, Action.UPDATE)
    operation = replace(operation, observes=request.converge and plan is None)
    if plan is not None and found:
        plan = replace(plan, corrects=operation.id)

    def store(connection: Connection) -> StackRecord:
        now = stack_rows.get(connection, stack.id)
        assert now is not None, "a stack's row is never deleted"
        refuse_update(now)
        if prepare is not None:
            prepare(connection)
        if plan is not None:
            refuse_moved(connection, now, stack, rows)
            drift_rows.give_to(connection, [each.sequence for each in found], operation.id)
        source_id = stack_rows.add_source(connection, source, operation.created_at)
        updated = replace(
            wanted,
            action=Action.UPDATE,
            status=Status.IN_PROGRESS,
            reason="Stack UPDATE started",
            updated_at=operation.created_at,
            source_id=source_id,
            previous_source_id=_goes_back_to(now),
        )
        stack_rows.save(connection, updated)
        return updated

    _, operation = await accept(
        control,
        Acceptance(
            operation=operation,
            store=store,
            loaded=loaded,
            plan=plan,
            rows=rows,
            overtakes=Cancel.SUPERSEDE,
        ),
    )
    return operation


async def wanted_update(
    control: Control, stack: StackRecord, request: UpdateRequest
) -> tuple[StackRecord, TemplateSource, Loaded]:
    """The stack with its new settings, its new source, and that source loaded."""
    refuse_update(stack)
    source, loaded = await _wanted(control, stack, request)
    await _check_immutable(control, stack, loaded)
    tags = request.tags if request.tags is not None or request.existing else ()
    rollback = request.disable_rollback
    timeout = request.timeout_minutes
    wanted = replace(
        stack,
        description=loaded.graph.description,
        disable_rollback=stack.disable_rollback if rollback is None else rollback,
        timeout_minutes=timeout if timeout or not request.existing else stack.timeout_minutes,
        tags=stack.tags if tags is None else check_tags(tags),
    )
    return wanted, source, loaded


async def _check_immutable(control: Control, stack: StackRecord, loaded: Loaded) -> None:
    """An immutable parameter keeps the value it has; one that is new may have any."""
    fixed = [name for name, each in loaded.graph.parameters.items() if each.immutable]
    if not fixed:
        return
    before = (await load_stack(control, stack)).graph
    now = loaded.graph.parameter_values
    changed = [
        name
        for name in fixed
        if name in before.parameters and before.parameter_values.get(name) != now.get(name)
    ]
    if changed:
        raise MantleError(
            "The following parameters are immutable and may not be updated: "
            f"{', '.join(sorted(changed))}",
            remedy="Give them the values they have, or create another stack.",
            fault="ImmutableParameterModified",
        )


REFUSED_LATER = {"external-id", "restricted-action"}
"""What Heat finds out only while it updates: the update is accepted and fails, nothing touched."""


async def _plan_if_it_may_be(
    control: Control,
    stack: StackRecord,
    loaded: Loaded,
    rows: Sequence[ResourceRecord],
    asker: Asker,
) -> Plan | None:
    try:
        return await plan_for(control, stack, Action.UPDATE, loaded, rows, asker=asker)
    except Invalid as error:
        if {problem.code for problem in error.problems} <= REFUSED_LATER:
            return None
        raise


async def preview_update(
    control: Control, caller: Caller, stack: StackRecord, request: UpdateRequest
) -> Preview:
    """What the update would do, with nothing stored."""
    refuse_update(stack)
    _, loaded = await _wanted(control, stack, request)
    found = await observed(control, stack) if request.converge else []
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    seen = await control.database.read(seen_rows, stack.id, rows, found)
    plan = await plan_for(
        control, stack, Action.UPDATE, loaded, seen, asker=asker_of(caller), only_shown=True
    )
    return Preview(stack=stack, loaded=loaded, plan=plan, drift=found)


def refuse_update(stack: StackRecord) -> None:
    """Raise when the stack's state allows no update."""
    if stack.action is Action.DELETE:
        raise Conflict(
            f"Stack {stack.name!r} is being deleted ({stack.state}) and cannot be updated.",
            remedy="Wait until it is gone, then create it anew.",
            fault="NotSupported",
        )
    if stack.action is Action.SUSPEND:
        raise NotSupported(
            "Updating a stack when it is suspended is not supported.",
            remedy="Resume it first.",
        )


def _goes_back_to(stack: StackRecord) -> str | None:
    """Where a rollback of this update leads: the last source that was wholly in force."""
    if stack.status is Status.COMPLETE:
        return stack.source_id
    return stack.previous_source_id or stack.source_id


async def _wanted(
    control: Control, stack: StackRecord, request: UpdateRequest
) -> tuple[TemplateSource, Loaded]:
    source = await _source(control, stack, request)
    return source, await load_whole(control, stack, source, stack.source_id)


async def _source(control: Control, stack: StackRecord, request: UpdateRequest) -> TemplateSource:
    """The source after the update; with `existing`, what is not given stays as it is."""
    if not request.existing:
        if request.template is None:
            raise MantleError("No template specified", fault="HTTPBadRequest")
        return TemplateSource(
            template=request.template,
            files=dict(request.files),
            environment=request.environment,
            environment_files=request.environment_files,
            parameters={
                name: value
                for name, value in request.parameters.items()
                if name not in request.clear_parameters
            },
            template_name=request.template_name,
        )
    old = await control.database.read(stack_rows.load_source, stack.source_id)
    new = TemplateSource(
        template=old.template if request.template is None else request.template,
        files={**old.files, **request.files},
        environment=request.environment,
        environment_files=request.environment_files,
        parameters=request.parameters,
        template_name=old.template_name if request.template is None else request.template_name,
    )
    return replace(new, environment=_merged(old, new, request), environment_files=(), parameters={})


def _declared(template: str | Mapping[str, Any]) -> set[str]:
    """The names of a template's parameters, as far as it can be read."""
    data = parse(template).data if isinstance(template, str) else template
    section = (data.get("parameters") or data.get("Parameters")) if isinstance(data, dict) else None
    return set(map(str, section)) if isinstance(section, dict) else set()


def _merged(old: TemplateSource, new: TemplateSource, request: UpdateRequest) -> dict[str, Any]:
    """Two environments as one: the new one wins, cleared parameters fall back to defaults."""
    before, after = load_environment(old).as_data(), load_environment(new).as_data()
    merged: dict[str, Any] = {**before, **after}
    merged["event_sinks"] = after["event_sinks"] or before["event_sinks"]
    for section in ("parameters", "parameter_defaults", "resource_registry"):
        both = {**before.get(section, {}), **after.get(section, {})}
        if section == "resource_registry":
            # What is said by name of resources is written in full as `{}` where nothing is.
            named = (each.get(section, {}).get("resources") or {} for each in (before, after))
            both["resources"] = {name: said for each in named for name, said in each.items()}
        if section == "parameters":
            declared = _declared(new.template) if request.template is not None else None
            for name in before.get(section, {}):
                unknown = declared is not None and name not in declared
                if unknown and name not in after.get(section, {}):
                    both.pop(name)  # the new template has no such parameter any more
            for name in request.clear_parameters:
                both.pop(name, None)
        merged[section] = both
    return merged
