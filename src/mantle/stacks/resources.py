"""Signals and marks: what is said to a single resource from outside."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import structs

from mantle.access.caller import Caller
from mantle.engine.operation import ref_of
from mantle.model.errors import Forbidden, LimitExceeded, MantleError, NotFound, NotSupported
from mantle.model.event import Signal
from mantle.model.ids import ResourceId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.stacks.control import Control
from mantle.stacks.hooks import clear_hook
from mantle.stacks.queries import live_row
from mantle.store import events as event_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

SIGNAL_BYTES = 256 * 1024
"""Of one signal, as JSON: a status and what a script printed."""

MOST_SIGNALS = 5_000
"""Kept for one resource."""


async def signal_resource(
    control: Control, stack: StackRecord, name: str, body: Mapping[str, Any]
) -> None:
    """Store a signal for a resource that takes them; durable when this returns.

    A body with `unset_hook` clears that hook instead, whatever the resource's type.
    """
    row = await live_row(control, stack, name)
    if "unset_hook" in body:
        await clear_hook(control, None, stack, row.name, str(body["unset_hook"]))
        return
    await signal_row(control, stack, row, body)


async def received_signals(control: Control, stack: StackRecord, name: str) -> Sequence[Signal]:
    """All signals to a resource that are kept, oldest first."""
    row = await live_row(control, stack, name)
    return await control.database.read(event_rows.signals_of, row.id, stack.project_id)


async def signal_row(
    control: Control, stack: StackRecord, row: ResourceRecord, body: Mapping[str, Any]
) -> None:
    """The same for this very row, which a replacement may have left behind.

    It is the way of URLs and accounts that templates hand out, which clear no hooks: those hold for
    people.
    """
    if "unset_hook" in body:
        raise Forbidden(
            f"The hook of {row.name!r} is not cleared this way.",
            remedy="Clear it with `mantle stack clear-hook`.",
        )
    _refuse(control, stack, row, body)
    signal = Signal(id=control.new_id(), body=dict(body), at=control.clock.now())
    heard = structs.replace(
        row,
        action=Action.SIGNAL,
        status=Status.COMPLETE,
        reason=str(body.get("reason") or f"Signal: {body.get('status', 'SUCCESS')}")[:1000],
    )
    event = control.machine.resource_event(heard)

    def store(connection: Connection) -> None:
        if event_rows.count_signals(connection, row.id) >= MOST_SIGNALS:
            raise LimitExceeded(
                f"Resource {row.name!r} has received {MOST_SIGNALS} signals, as many as are kept.",
                remedy="Replace the resource, or stop the sender.",
            )
        event_rows.add_signal(connection, stack.id, row.id, signal)
        event_rows.add(connection, [event])

    await control.database.write(store)
    control.machine.nudges.nudge(("signals", stack.id))
    control.machine.nudges.nudge(stack.id)


def _refuse(
    control: Control, stack: StackRecord, row: ResourceRecord, body: Mapping[str, Any]
) -> None:
    """Raise when the resource takes no signals, not now, or not this one."""
    kind = control.registry.get(row.resolved_type)
    if not kind.schema.takes_signals:
        raise NotSupported(
            f"Resource {row.name!r} is an {row.type}, which takes no signals.",
            remedy="Signals go to wait condition handles and the like.",
            fault="ResourceActionNotSupported",
        )
    if row.action in {Action.DELETE, Action.SUSPEND} and not kind.hears_itself:
        raise NotSupported(
            f"Cannot signal resource {row.name!r} during {row.action}.",
            fault="ResourceActionNotSupported",
        )
    size = len(msgspec.json.encode(body))
    if size > SIGNAL_BYTES:
        raise LimitExceeded(
            f"The signal for {row.name!r} has {size} bytes; it may have {SIGNAL_BYTES}.",
            remedy="Send less: a signal is kept until its resource is deleted.",
        )
    if kind.accepts_signal is not None:
        refused = kind.accepts_signal(ref_of(row, stack), row.properties, body)
        if refused:
            raise MantleError(f"Signal for {row.name!r} refused: {refused}")


async def signal_by_id(
    control: Control, resource_id: ResourceId | None, body: Mapping[str, Any]
) -> None:
    """A signal over a pre-authorised URL, to the very row it was made for.

    None stands for a URL that was not made here; that and a gone resource look the same.
    """
    found = await row_by_id(control, resource_id)
    if found is None:
        raise NotFound("There is no resource behind this signal URL.", fault="ResourceNotFound")
    stack, row = found
    await signal_row(control, stack, row, body)


async def row_by_id(
    control: Control, resource_id: ResourceId | None
) -> tuple[StackRecord, ResourceRecord] | None:
    """A row of a stack that is there, by its own id; for what holds a URL or a key made for it."""
    if resource_id is None:
        return None
    row = await control.database.read(resource_rows.get, resource_id)
    stack = await control.database.read(stack_rows.get, row.stack_id) if row else None
    if row is None or stack is None or stack.deleted_at is not None:
        return None
    if row.state == "DELETE_COMPLETE":
        return None
    return stack, row


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
    marked = structs.replace(
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
