"""Signals and marks: what is said to a single resource from outside."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.access.caller import Caller
from mantle.engine.operation import ref_of
from mantle.model.errors import MantleError, NotFound, NotSupported
from mantle.model.event import Signal
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.stacks.control import Control
from mantle.stacks.hooks import clear_hook
from mantle.stacks.queries import live_row
from mantle.store import events as event_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


async def signal_resource(
    control: Control, stack: StackRecord, name: str, body: Mapping[str, Any]
) -> None:
    """Store a signal for a resource that takes them; durable when this returns.

    A body with `unset_hook` clears that hook instead, whatever the resource's type.
    """
    if "unset_hook" in body:
        await clear_hook(control, None, stack, name, str(body["unset_hook"]))
        return
    row = await live_row(control, stack, name)
    kind = control.registry.get(row.resolved_type)
    if not kind.schema.takes_signals:
        raise NotSupported(
            f"Resource {name!r} is an {row.type}, which takes no signals.",
            remedy="Signals go to wait condition handles and the like.",
            fault="ResourceActionNotSupported",
        )
    if row.action in {Action.DELETE, Action.SUSPEND}:
        raise NotSupported(
            f"Cannot signal resource {name!r} during {row.action}.",
            fault="ResourceActionNotSupported",
        )
    if kind.accepts_signal is not None:
        refused = kind.accepts_signal(ref_of(row, stack), row.properties, body)
        if refused:
            raise MantleError(f"Signal for {name!r} refused: {refused}")
    signal = Signal(id=control.new_id(), body=dict(body), at=control.clock.now())
    heard = replace(
        row,
        action=Action.SIGNAL,
        status=Status.COMPLETE,
        reason=str(body.get("reason") or f"Signal: {body.get('status', 'SUCCESS')}")[:1000],
    )
    event = control.machine.resource_event(heard)

    def store(connection: Connection) -> None:
        event_rows.add_signal(connection, stack.id, row.id, signal)
        event_rows.add(connection, [event])

    await control.database.write(store)
    control.machine.nudges.nudge(("signals", stack.id))
    control.machine.nudges.nudge(stack.id)


async def signal_by_token(control: Control, token: str, body: Mapping[str, Any]) -> None:
    """A signal over a pre-authorised URL. A wrong token and a gone resource look the same."""
    absent = NotFound("There is no resource behind this signal URL.", fault="ResourceNotFound")
    resource_id = control.machine.links.resource_of(token)
    if resource_id is None:
        raise absent
    row = await control.database.read(resource_rows.get, resource_id)
    stack = await control.database.read(stack_rows.get, row.stack_id) if row else None
    if row is None or stack is None or stack.deleted_at is not None:
        raise absent
    await signal_resource(control, stack, row.name, body)


async def mark_unhealthy(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    name: str,
    *,
    unhealthy: bool,
    reason: str,
) -> None:
    """Mark a resource so that the next update replaces it, or take the mark back.

    `name` is the resource's name or its physical id.
    """
    del caller
    row = await live_row(control, stack, name, by_physical_id=True)
    if row.status is Status.IN_PROGRESS:
        raise NotSupported(
            f"Resource {row.name!r} is {row.state}; it can be marked when that has ended.",
            fault="ActionInProgress",
        )
    if not unhealthy and row.state != "CHECK_FAILED":
        return
    marked = replace(
        row,
        action=Action.CHECK,
        status=Status.FAILED if unhealthy else Status.COMPLETE,
        reason=reason or ("marked unhealthy" if unhealthy else "marked healthy"),
        updated_at=control.clock.now(),
    )
    event = control.machine.resource_event(marked)

    def store(connection: Connection) -> ResourceRecord:
        resource_rows.save(connection, [marked])
        event_rows.add(connection, [event])
        return marked

    await control.database.write(store)
    control.machine.nudges.nudge(stack.id)
