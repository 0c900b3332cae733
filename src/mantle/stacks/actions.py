"""Suspend, resume, check and cancel."""

from dataclasses import replace

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, NotSupported
from mantle.model.ids import OperationId
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.unmoved import refuse_moved
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


async def suspend_stack(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    """Suspend every resource, dependents first."""
    return await _act(control, caller, stack, Action.SUSPEND)


async def resume_stack(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    """Resume every resource, dependents last."""
    return await _act(control, caller, stack, Action.RESUME)


async def check_stack(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    """Look at every resource; each that is not as it should be is named."""
    return await _act(control, caller, stack, Action.CHECK)


async def _act(
    control: Control, caller: Caller, stack: StackRecord, action: Action
) -> OperationRecord:
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    await control.machine.deferral.ensure(caller, stack.cloud)
    plan = await plan_for(control, stack, action, None, rows, asker=asker_of(caller))
    operation = new_operation(control, caller, stack, action)

    def store(connection: Connection) -> StackRecord:
        now = stack_rows.get(connection, stack.id)
        assert now is not None, "a stack's row is never deleted"
        if operation_rows.live_of_stack(connection, stack.id) or now.deleted_at is not None:
            raise Conflict(
                f"Stack {stack.name} already has an action ({now.action}) in progress.",
                remedy="Wait for its end, or cancel it.",
            )
        refuse_moved(connection, now, stack, rows)
        acting = replace(
            now, action=action, status=Status.IN_PROGRESS, reason=f"Stack {action} started"
        )
        stack_rows.save(connection, acting)
        return acting

    _, operation = await accept(
        control, Acceptance(operation=operation, store=store, plan=plan, rows=rows)
    )
    return operation


async def cancel_stack(
    control: Control, caller: Caller, stack: StackRecord, how: Cancel
) -> OperationRecord:
    """Ask the operation under way to stop, with or without going back.

    Heat's rules: rolling back is for updates only, stopping for creates as well. What only waits is
    given up at once, also in an operation that this one has overtaken and waits for.
    """
    del caller
    may = {Action.UPDATE} if how is Cancel.ROLLBACK else {Action.UPDATE, Action.CREATE}
    asked: list[OperationId] = []

    def ask(connection: Connection) -> OperationRecord:
        asked.clear()
        live = operation_rows.live_of_stack(connection, stack.id)
        if not live or live[-1].action not in may:
            raise NotSupported(
                f"Cancelling {'update' if how is Cancel.ROLLBACK else 'create or update'} when "
                f"stack is {stack.state} is not supported.",
                remedy="There is nothing of the kind under way.",
            )
        *overtaken, target = live
        for each in overtaken:
            operation_rows.ask_to_cancel(connection, each.id, Cancel.STOP)
        operation_rows.ask_to_cancel(connection, target.id, how)
        asked.extend(each.id for each in live)
        return target

    target = await control.database.write(ask)
    for operation_id in asked:
        control.machine.nudges.nudge(("cancel", operation_id))
    return replace(target, cancel=how)
