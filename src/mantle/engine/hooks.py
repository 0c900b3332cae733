"""Hooks: places where a step waits until a person lets it go on.

An environment names them for a resource: `pre-create`, `post-update` and so on. As in Heat, create
hooks hold while a stack is created, update hooks while it is updated (also when nothing of the
resource changes, and before a replacement), delete hooks while it is deleted.

A held hook is a row, written with its event before the wait begins. After a crash the operation
comes to the same place, finds the row, and goes on waiting or goes on.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import structs

from mantle.model.plan import Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.status import Action
from mantle.store import hooks as hook_rows
from mantle.store.hooks import Held
from mantle.store.journal import Entry

if TYPE_CHECKING:
    from mantle.engine.walk import Walk

LOOK_SECONDS = 1.0
"""How soon a clearing by another process is seen; one in this process is seen at once."""

HOOKED: Mapping[Action, Mapping[StepKind, str]] = {
    Action.CREATE: {StepKind.CREATE: "create"},
    Action.UPDATE: {StepKind.UPDATE: "update", StepKind.KEEP: "update", StepKind.CREATE: "update"},
    Action.DELETE: {StepKind.DELETE: "delete", StepKind.FORGET: "delete"},
}
"""Which steps have hooks in which operation, and what these are called."""


def hook_of(walk: "Walk", step: Step, when: str) -> str | None:
    """The hook that holds this step, `when` being `pre` or `post`; None for most."""
    if walk.environment is None or not walk.environment.by_resource:
        return None
    deed = HOOKED.get(walk.operation.action, {}).get(step.kind)
    if deed is None:
        return None
    added = step.kind is StepKind.CREATE and step.replaces is None
    if added and walk.operation.action is Action.UPDATE:
        return None  # as in Heat
    name = f"{when}-{deed}"
    return name if name in walk.environment.hooks_of(step.resource) else None


def paused(hook: str) -> str:
    """What the event says; Heat's clients look for these words."""
    return f"{hook.partition('-')[2].upper()} paused until Hook {hook} is cleared"


def cleared(hook: str) -> str:
    """What the event says when it goes on."""
    return f"Hook {hook} is cleared"


async def hold(walk: "Walk", step: Step, hook: str, row: ResourceRecord) -> bool:
    """Wait until the hook is cleared: true. False when the operation was cancelled or timed out."""
    machine, operation = walk.machine, walk.operation
    while True:
        ticket = machine.nudges.ticket(("hooks", walk.stack.id))
        held = await machine.database.read(hook_rows.get, operation.id, step.resource, hook)
        if held is not None and held.cleared_at is not None:
            return True
        if walk.cancel is not None or walk.timed_out or walk.broken is not None:
            return False
        if held is None:
            await _begin(walk, step, hook, row)
        await machine.nudges.sleep(ticket, LOOK_SECONDS)


async def _begin(walk: "Walk", step: Step, hook: str, row: ResourceRecord) -> None:
    held = Held(
        operation_id=walk.operation.id,
        stack_id=walk.stack.id,
        resource=step.resource,
        hook=hook,
        held_at=walk.now(),
    )
    entry = Entry(
        operation_id=walk.operation.id, epoch=walk.operation.epoch, steps_done=walk.done_count
    )
    said = structs.replace(row, reason=paused(hook), operation_id=walk.operation.id)
    entry.events.append(walk.machine.resource_event(said))
    entry.also = lambda connection: hook_rows.hold(connection, held)
    walk.heed(await walk.machine.journal.write(entry))
