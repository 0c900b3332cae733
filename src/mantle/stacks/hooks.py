"""Hooks as people see them: which hold an operation, and letting one go on."""

from msgspec import structs

from mantle.access.caller import Caller
from mantle.engine.hooks import cleared
from mantle.model.errors import MantleError
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.stacks.queries import live_row
from mantle.store import events as event_rows
from mantle.store import hooks as hook_rows
from mantle.store.database import Connection
from mantle.store.hooks import Held
from mantle.template.environment import HOOK_NAMES


async def list_hooks(control: Control, stack: StackRecord) -> list[Held]:
    """The hooks that hold an operation of the stack now, the oldest first."""
    return await control.database.read(hook_rows.waiting, stack.id)


async def clear_hook(
    control: Control, caller: Caller | None, stack: StackRecord, resource: str, hook: str
) -> None:
    """Let the step go on. Clearing is an event of its own; clearing twice is refused.

    The caller is None where the right to signal came with the URL.
    """
    if hook not in HOOK_NAMES:
        raise MantleError(
            f"Invalid hook type {hook!r}.",
            remedy=f"Hooks are: {', '.join(sorted(HOOK_NAMES))}.",
            fault="InvalidBreakPointHook",
        )
    row = await live_row(control, stack, resource)
    held = next(
        (
            each
            for each in await list_hooks(control, stack)
            if (each.resource, each.hook) == (row.name, hook)
        ),
        None,
    )
    nothing = MantleError(
        f"The {hook} hook of resource {row.name!r} holds nothing.",
        remedy="`mantle stack hooks` lists those that do.",
        fault="InvalidBreakPointHook",
    )
    if held is None:
        raise nothing
    event = control.machine.resource_event(
        structs.replace(row, reason=cleared(hook), operation_id=held.operation_id)
    )
    user = caller.user_id if caller is not None else "signal"

    def store(connection: Connection) -> bool:
        if not hook_rows.clear(connection, held, control.clock.now(), user):
            return False
        event_rows.add(connection, [event])
        return True

    if not await control.database.write(store):
        raise nothing
    control.machine.nudges.nudge(("hooks", stack.id))
    control.machine.nudges.nudge(stack.id)
