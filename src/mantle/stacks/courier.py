"""The courier: brings events to the sinks that environments name.

The table of events is the outbox, a sink's row the place up to which it has been emptied. Events
are delivered in their order, each at least once: what is delivered is written down after the
answer, so a crash in between delivers it again, under the same id. A sink that fails is tried again
later and later, until the event that is next is older than the sink's time to live; then that one
is dropped, counted, and the next one tried. One slow sink holds up no other.

Note: two couriers. Both read the same sink as due. The one whose claim (a new version, and a next
time in the future) is written first delivers; the other's claim finds another version, and is no
claim.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

from mantle.lib.looping import Loop
from mantle.lib.outbound import Bounds, NotAllowed, Outbound, OutboundError
from mantle.model.event import Event
from mantle.model.records import StackRecord
from mantle.model.sinks import SinkRecord
from mantle.stacks.control import Control
from mantle.store import sinks as sink_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.horizon import horizon

log = structlog.get_logger()

AT_ONCE = 16
"""Sinks served side by side."""
BATCH = 20
"""Deliveries between two writes: what a crash may deliver a second time."""
BOUNDS = Bounds(seconds=10.0, most_bytes=64 * 1024)
FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
LEASE_SECONDS = BATCH * BOUNDS.seconds + 10.0
"""Nobody else looks at a claimed sink so long; a courier that died is followed then."""
IDLE_SECONDS = 15.0
BUSY_SECONDS = 0.05


class Courier(Loop):
    """The loop. Opened and closed with the engine."""

    name = "courier"

    def __init__(self, control: Control) -> None:
        self.control = control
        self._outbound: Outbound | None = None

    async def open(self) -> None:
        """Begin; what a courier before had claimed and not ended is due again."""
        await self.control.database.write(sink_rows.release, self.control.clock.now())
        await super().open()

    async def close(self) -> None:
        """Stop where it stands."""
        await super().close()
        if self._outbound is not None:
            await self._outbound.close()
            self._outbound = None

    async def _run(self) -> None:
        nudges, clock = self.control.machine.nudges, self.control.clock
        while True:
            ticket = nudges.ticket("sinks")
            try:
                wake_at = await self.turn()
            except Exception:
                # The courier's one loop, as upkeep's: a defect must not end it for good.
                log.exception("the courier failed by a defect of Mantle")
                wake_at = clock.now() + IDLE_SECONDS
            await nudges.sleep(ticket, max(0.0, wake_at - clock.now()))
            # A thousand events in a second are a few looks.
            await asyncio.sleep(BUSY_SECONDS)

    async def turn(self) -> float:
        """Deliver what is due; the answer is when to look again."""
        database, clock = self.control.database, self.control.clock
        due = await database.read(sink_rows.due, clock.now(), AT_ONCE)
        if due:
            await self._open_door()
            await asyncio.gather(*(self._serve(sink) for sink in due))
            await database.write(sink_rows.forget_ended)
            return clock.now()
        latest = clock.now() + IDLE_SECONDS
        waiting = await database.read(sink_rows.next_due_at)
        return latest if waiting is None else min(latest, waiting)

    async def _open_door(self) -> None:
        """Connections are kept between turns, for as long as the rules are the same."""
        allowed = self.control.settings.destinations
        if self._outbound is not None and self._outbound.destinations is not allowed:
            await self._outbound.close()
            self._outbound = None
        if self._outbound is None:
            self._outbound = Outbound(allowed)

    async def _serve(self, sink: SinkRecord) -> None:
        database, clock = self.control.database, self.control.clock
        claimed = replace(sink, next_at=clock.now() + LEASE_SECONDS)
        if not await database.write(sink_rows.save, claimed):
            return
        now = replace(claimed, version=claimed.version + 1)
        stack = await database.read(stack_rows.get, sink.stack_id)
        if stack is not None:
            until = await horizon(database)
            for event in await database.read(sink_rows.waiting, sink, BATCH, until):
                now = await self._brought(now, stack, event)
                if now.attempts:
                    break
        if not now.attempts:
            now = replace(now, next_at=clock.now())
        await database.write(sink_rows.save, now)

    async def _brought(self, sink: SinkRecord, stack: StackRecord, event: Event) -> SinkRecord:
        """The sink after one try of one event."""
        clock = self.control.clock
        past = replace(sink, sequence=event.sequence, attempts=0)
        if clock.now() - event.at > sink.ttl_seconds:
            return replace(past, dropped=sink.dropped + 1)
        problem = await self._post(sink, stack, event)
        if problem is None:
            return replace(past, delivered=sink.delivered + 1, problem="")
        attempts = sink.attempts + 1
        jitter = self.control.random(1)[0] / 255
        pause = min(FIRST_SECONDS * 2.0 ** min(attempts - 1, 20), LONGEST_SECONDS)
        return replace(
            sink,
            attempts=attempts,
            next_at=clock.now() + pause * (0.75 + jitter / 2),
            problem=problem[:1000],
        )

    async def _post(self, sink: SinkRecord, stack: StackRecord, event: Event) -> str | None:
        """Why it was not taken, or None."""
        assert self._outbound is not None, "a turn opens it before anything is served"
        headers = {
            "Content-Type": "application/json",
            "X-Mantle-Event": event.id,
            "X-Mantle-Attempt": str(sink.attempts + 1),
        }
        try:
            reply = await self._outbound.request(
                "POST",
                sink.target,
                headers=headers,
                content=msgspec.json.encode(message_of(stack, event)),
                bounds=BOUNDS,
            )
        except NotAllowed as error:
            return f"{error.message} {error.remedy}"
        except OutboundError as error:
            return error.message
        return None if 200 <= reply.status < 300 else f"{sink.target} answered {reply.status}."


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkView:
    """A sink, and how many events it has not got yet."""

    sink: SinkRecord
    waiting: int


async def list_sinks(control: Control, stack: StackRecord) -> list[SinkView]:
    """The sinks of a stack."""

    def read(connection: Connection) -> list[SinkView]:
        return [
            SinkView(sink=sink, waiting=sink_rows.count_waiting(connection, sink))
            for sink in sink_rows.of_stack(connection, stack.id)
        ]

    return await control.database.read(read)


def message_of(stack: StackRecord, event: Event) -> dict[str, Any]:
    """The event as Heat's sinks tell it; what is ours besides has names Heat does not use."""
    moment = datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "timestamp": moment,
        "version": "0.1",
        "type": "os.heat.event",
        "id": event.id,
        "payload": {
            "stack_id": stack.id,
            "stack_name": stack.name,
            "project_id": stack.project_id,
            "parent_stack_id": stack.parent_id,
            "sequence": event.sequence,
            "operation_id": event.operation_id,
            "resource_name": event.resource,
            "logical_resource_id": event.resource,
            "physical_resource_id": event.physical_id,
            "resource_type": event.resource_type,
            "resource_action": str(event.action),
            "resource_status": str(event.status),
            "resource_status_reason": event.reason,
            "resource_properties": {},
        },
    }
