"""Accepting an operation: all it needs becomes durable in one transaction, then it starts."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.engine.machine import Handover
from mantle.engine.operation import make_plan, new_rows
from mantle.lib import tracing
from mantle.model.errors import LimitExceeded
from mantle.model.ids import OperationId, ProjectId
from mantle.model.plan import Plan
from mantle.model.policies import Asker
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.status import Action, Cancel, OperationStatus
from mantle.plan.confidential import holds_secrets
from mantle.plan.render import plan_json
from mantle.stacks.control import Control
from mantle.stacks.limits import limit_of, refuse_many
from mantle.stacks.shedding import refuse_work_when_slow
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import sinks as sink_rows
from mantle.store.database import Connection
from mantle.store.held import refuse_held
from mantle.store.sealed import mark_confidential
from mantle.template.loaded import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """One operation about to be accepted."""

    operation: OperationRecord
    store: Callable[[Connection], StackRecord]
    """Stores the stack in the state it has from now on; raises to refuse. Runs first."""
    loaded: Loaded | None = None
    plan: Plan | None = None
    """None: the engine plans when the operation's turn comes."""
    rows: Sequence[ResourceRecord] = ()
    """The stack's rows that the plan was made from."""
    hand_over: bool = True
    """False when another operation goes first: the rows are read when the turn comes."""
    overtakes: Cancel | None = None
    """What is asked of operations of the stack that have not ended."""


async def accept(control: Control, acceptance: Acceptance) -> tuple[StackRecord, OperationRecord]:
    """Store it all, then start it. When this returns, a crash loses nothing."""
    machine = control.machine
    operation, plan = acceptance.operation, acceptance.plan
    made: list[ResourceRecord] = []
    if plan is not None:
        made = new_rows(
            plan, acceptance.loaded, acceptance.rows, operation.id, operation.created_at
        )
        operation = replace(operation, plan_id=plan.id, steps_total=len(plan.steps))
    document = plan_json(plan) if plan is not None else None
    names = control.settings.secret_parameters
    confidential = acceptance.loaded is not None and holds_secrets(acceptance.loaded, names)
    overtaken: list[OperationId] = []

    def store(connection: Connection) -> StackRecord:
        overtaken.clear()
        refuse_held(connection)
        refuse_many(connection, control.settings, operation)
        stack = acceptance.store(connection)
        if confidential and not (stack.confidential and stack.id == stack.root_id):
            mark_confidential(connection, stack.root_id)
        if acceptance.overtakes is not None:
            for other in operation_rows.live_of_stack(connection, stack.id):
                operation_rows.ask_to_cancel(connection, other.id, acceptance.overtakes)
                overtaken.append(other.id)
        operation_rows.add(connection, operation)
        if plan is not None and document is not None:
            operation_rows.add_plan(
                connection,
                plan_id=plan.id,
                stack_id=stack.id,
                project_id=stack.project_id,
                document=document,
                created_at=plan.made_at,
                expires_at=plan.expires_at,
                source_id=stack.source_id,
            )
        resource_rows.add(connection, made)
        if acceptance.loaded is not None:
            sinks = sinks_of(acceptance.loaded.environment.event_sinks)
            sink_rows.follow(connection, stack, sinks, machine.new_id)
        started = machine.stack_event(stack, operation, stack.action, stack.status, stack.reason)
        event_rows.add(connection, [started])
        return stack

    refuse_when_slow(control, operation)
    stack = await control.database.write(store)
    if plan is not None and acceptance.hand_over:
        rows = (*acceptance.rows, *made)
        machine.hand_over(operation.id, Handover(loaded=acceptance.loaded, plan=plan, rows=rows))
    for operation_id in overtaken:
        machine.nudges.nudge(("cancel", operation_id))
    machine.nudges.nudge(stack.id)
    machine.nudges.nudge("sinks")
    await machine.start(operation.id, operation.epoch)
    return stack, operation


def refuse_when_slow(control: Control, operation: OperationRecord) -> None:
    """Raise `Busy` for what a user asks while the database cannot keep up.

    What Mantle does by itself, and what is inside an operation that was accepted, goes on.
    """
    if operation.parent_id is not None or not operation.requester.user_id:
        return
    refuse_work_when_slow(control)


def new_operation(
    control: Control, caller: Caller, stack: StackRecord, action: Action
) -> OperationRecord:
    """An operation on this stack, not yet accepted."""
    now = control.clock.now()
    seconds = (
        stack.timeout_minutes * 60.0
        if stack.timeout_minutes
        else control.settings.operation_timeout_seconds
    )
    return OperationRecord(
        id=OperationId(control.new_id()),
        stack_id=stack.id,
        project_id=stack.project_id,
        action=action,
        status=OperationStatus.QUEUED,
        request_id=caller.request_id,
        trace=tracing.carried(),
        created_at=now,
        deadline_at=now + seconds,
        requester=asker_of(caller),
    )


async def plan_for(
    control: Control,
    stack: StackRecord,
    action: Action,
    loaded: Loaded | None,
    rows: Sequence[ResourceRecord],
    *,
    asker: Asker,
    only_shown: bool = False,
    restores: Collection[str] = (),
) -> Plan:
    """The plan of an operation about to be accepted; raises `Denied` if a policy rule says no.

    With `only_shown` a denial is part of the plan instead.
    """
    return await make_plan(
        control.machine,
        stack,
        action,
        loaded,
        rows,
        asker=asker,
        only_shown=only_shown,
        restores=restores,
    )


def asker_of(caller: Caller) -> Asker:
    """The caller, as policy rules see them."""
    return Asker(
        user_id=caller.user_id, user_name=caller.user_name, roles=tuple(sorted(caller.roles))
    )


def resources_in(loaded: Loaded) -> int:
    """Of the whole tree, as far as it is known: nested templates, and what groups will hold."""
    graph = loaded.graph
    nested = (loaded.nested.get(each.resolved_type) for each in graph.resources.values())
    inside = sum(times * resources_in(each) for each, times in loaded.inside.values())
    return len(graph.resources) + inside + sum(resources_in(each) for each in nested if each)


async def check_size(control: Control, project_id: ProjectId, loaded: Loaded) -> None:
    """Refuse a tree with more resources than one may have; what is made later counts then."""
    count = resources_in(loaded)
    limit = await control.database.read(
        limit_of, control.settings, project_id, "resources_per_stack"
    )
    if 0 <= limit < count:
        raise LimitExceeded(
            f"Maximum resources per stack exceeded: with everything inside it has {count}; "
            f"{limit} are allowed.",
            remedy="Split it into several stacks, or have whoever runs Mantle raise "
            "--max-resources-per-stack.",
        )
