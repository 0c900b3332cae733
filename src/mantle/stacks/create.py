"""Create a stack: load, plan, and accept it in one transaction."""

from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, LimitExceeded, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import StackId
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.plan.confidential import holds_secrets
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.guards import fresh_guard
from mantle.stacks.inner import load_whole
from mantle.stacks.limits import limit_of
from mantle.stacks.names import check_name, check_tags
from mantle.stacks.previews import Preview
from mantle.store import guards as guard_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRequest:
    """What a caller asks for; the API has decoded it."""

    name: str
    source: TemplateSource
    disable_rollback: bool = True
    timeout_minutes: int | None = None
    tags: tuple[str, ...] = ()
    cloud: str = ""
    """Empty: the default cloud."""
    protected: bool = False
    """Its deletion is refused until someone takes that back."""
    ttl_seconds: float | None = None
    """It is deleted so long after its creation; None: never by itself."""


async def create_stack(
    control: Control, caller: Caller, request: CreateRequest
) -> tuple[StackRecord, OperationRecord]:
    """Accept a new stack; it is durable when this returns, and being built.

    Raises `Invalid` with all problems of the template, `Conflict` when the name is taken,
    `LimitExceeded` when the project has its quota of stacks.
    """
    stack = draft(control, caller, request)
    await control.machine.deferral.ensure(caller, stack.cloud)
    await check_room(control, caller, stack)
    loaded = await load_whole(control, stack, request.source)
    stack = replace(
        stack,
        description=loaded.graph.description,
        confidential=holds_secrets(loaded, control.settings.secret_parameters),
    )
    plan = await plan_for(control, stack, Action.CREATE, loaded, [], asker=asker_of(caller))
    operation = new_operation(control, caller, stack, Action.CREATE)
    guard = fresh_guard(stack, caller, protected=request.protected, ttl_seconds=request.ttl_seconds)

    def store(connection: Connection) -> StackRecord:
        refuse_taken(connection, stack)
        source_id = stack_rows.add_source(connection, request.source, stack.created_at)
        stored = replace(stack, source_id=source_id)
        stack_rows.add(connection, stored)
        if guard is not None:
            guard_rows.save(connection, guard)
        return stored

    return await accept(
        control, Acceptance(operation=operation, store=store, loaded=loaded, plan=plan, rows=[])
    )


async def preview_stack(control: Control, caller: Caller, request: CreateRequest) -> Preview:
    """All of the validation and the plan, with nothing stored."""
    stack = draft(control, caller, request)
    await check_room(control, caller, stack)
    loaded = await load_whole(control, stack, request.source)
    stack = replace(stack, description=loaded.graph.description)
    plan = await plan_for(
        control, stack, Action.CREATE, loaded, [], asker=asker_of(caller), only_shown=True
    )
    return Preview(stack=stack, loaded=loaded, plan=plan)


def draft(control: Control, caller: Caller, request: CreateRequest) -> StackRecord:
    """The stack as it will be accepted."""
    stack_id = StackId(control.new_id())
    cloud = control.cloud_named(request.cloud or control.default_cloud)
    if request.timeout_minutes is not None and request.timeout_minutes <= 0:
        raise MantleError(
            f"Invalid timeout value {request.timeout_minutes}: minutes must be greater than 0.",
            fault="StackValidationFailed",
        )
    return StackRecord(
        id=stack_id,
        name=check_name(request.name),
        project_id=caller.project_id,
        owner_id=caller.user_id,
        owner_name=caller.user_name,
        action=Action.CREATE,
        status=Status.IN_PROGRESS,
        reason="Stack CREATE started",
        cloud=cloud.info.name,
        source_id="",
        disable_rollback=request.disable_rollback,
        timeout_minutes=request.timeout_minutes,
        tags=check_tags(request.tags),
        root_id=stack_id,
        created_at=control.clock.now(),
    )


async def check_room(control: Control, caller: Caller, stack: StackRecord) -> None:
    """Refuse early what the transaction would refuse: a taken name, a full project.

    As in Heat, the number of stacks does not bind an administrator.
    """

    def refuse(connection: Connection) -> None:
        refuse_taken(connection, stack)
        if "admin" in caller.roles:
            return
        limit = limit_of(connection, control.settings, stack.project_id, "stacks")
        if 0 <= limit <= stack_rows.count_live(connection, stack.project_id):
            raise LimitExceeded(
                f"You have reached the maximum stacks per tenant, {limit}.",
                remedy="Delete some stacks, or ask whoever runs Mantle to raise the limit.",
            )

    await control.database.read(refuse)


def refuse_taken(connection: Connection, stack: StackRecord) -> None:
    """Raise `Conflict` when the project has a stack of this name."""
    if stack_rows.live_by_name(connection, stack.project_id, stack.name) is not None:
        raise Conflict(
            f"The Stack ({stack.name}) already exists.",
            remedy="Update that stack, delete it first, or choose another name.",
            fault="StackExists",
        )
