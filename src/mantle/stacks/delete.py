"""Delete a stack, in any state."""

from dataclasses import replace

from mantle.access.caller import Caller
from mantle.model.errors import NotFound
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation, plan_for
from mantle.stacks.control import Control
from mantle.stacks.guards import refuse_protected
from mantle.stacks.unmoved import anew, refuse_moved
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


async def delete_stack(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    """Accept the deletion; whatever runs is interrupted. Asking again answers the one under way."""
    # While an operation is under way there is nothing to plan, and it is interrupted.
    return await anew(lambda: _accepted(control, caller, stack))


async def _accepted(control: Control, caller: Caller, stack: StackRecord) -> OperationRecord:
    await control.database.read(refuse_protected, stack)
    live = await control.database.read(operation_rows.live_of_stack, stack.id)
    if live and live[-1].action is Action.DELETE:
        return live[-1]
    rows = [] if live else await control.database.read(resource_rows.of_stack, stack.id)
    plan = (
        None
        if live
        else await plan_for(control, stack, Action.DELETE, None, rows, asker=asker_of(caller))
    )
    await control.machine.deferral.ensure(caller, stack.cloud)
    operation = new_operation(control, caller, stack, Action.DELETE)

    def store(connection: Connection) -> StackRecord:
        now = stack_rows.get(connection, stack.id)
        if now is None or now.deleted_at is not None:
            raise NotFound(f"The Stack ({stack.name}) could not be found.")
        refuse_protected(connection, now)
        if plan is not None:
            refuse_moved(connection, now, now, rows)
        deleting = replace(
            now, action=Action.DELETE, status=Status.IN_PROGRESS, reason="Stack DELETE started"
        )
        stack_rows.save(connection, deleting)
        return deleting

    _, operation = await accept(
        control,
        Acceptance(
            operation=operation, store=store, plan=plan, rows=rows, overtakes=Cancel.INTERRUPT
        ),
    )
    return operation
