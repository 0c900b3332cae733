"""Opens the engine for work: whatever has not ended goes on, whoever began it.

An engine alone (SQLite; the data folder is locked) takes over all there is when it starts. Of
several on one database, each beats, and whoever finds another silent for longer than its lease puts
that one's operations back into the queue.

Note: frozen. A is stopped for a minute by its host; B gives it up: its operations are QUEUED with a
new epoch, and go on at C. A wakes: every write of its walks meets the fence and they end; its next
beat finds it given up, says so in the log, and A is a member again.
"""

import asyncio
import contextlib
import socket
from typing import Protocol

import structlog

from mantle.engine.dispatch import QUEUE
from mantle.engine.machine import Machine
from mantle.engine.perform import perform
from mantle.engine.runtime import Runtime
from mantle.model.ids import OperationId
from mantle.store import events as event_rows
from mantle.store import leases
from mantle.store import operations as operation_rows
from mantle.store.held import held

log = structlog.get_logger()

BEAT_SECONDS = 5.0

LOOK_SECONDS = 1.0
"""How often one of several engines looks for others that fell silent: what is found later than the
lease demands is time in which nobody works. It is one short read, where a beat is a commit."""

HELD = "held"
"""What is nudged when a restored database is released."""

HELD_SECONDS = 1.0


class Companion(Protocol):
    """Upkeep that an engine does while it is open; safe to kill at any moment."""

    async def open(self) -> None:
        """Begin."""
        ...

    async def close(self) -> None:
        """Stop where it stands."""
        ...


class Engine:
    """One engine of a control plane: alive between `open` and `close`."""

    def __init__(self, machine: Machine, runtime: Runtime, *, alone: bool = True) -> None:
        self.machine = machine
        self.runtime = runtime
        self.alone = alone
        self.companions: list[Companion] = []
        """What runs beside the operations while the engine is open; `wiring` adds it."""
        self._beat: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        """Until a restored database is released."""
        self._opened = False

    async def open(self) -> int:
        """Register, take over what earlier engines left; the answer is how many operations."""
        machine = self.machine
        earlier = await machine.database.write(
            event_rows.register_engine, machine.id, socket.gethostname(), machine.clock.now()
        )
        restored = await machine.database.read(held)
        if self.alone:
            await self.runtime.open(self._perform, machine.id, earlier)
            count = await self._go_on() if restored is None else 0
            for engine in earlier:
                await machine.database.write(event_rows.stop_engine, engine, machine.clock.now())
        else:
            await self.runtime.open(self._perform, machine.id, ())
            machine.membership.lease_seconds = machine.settings.lease_seconds
            asked_at = machine.clock.now()
            await machine.database.write(leases.beat, machine.id, asked_at)
            machine.membership.spoke(asked_at)
            count = await self._take_over()
        if count:
            log.info("operations taken over", count=count)
        self._beat = asyncio.create_task(self._beats(), name="heartbeat")
        if restored is None:
            await self._open_companions()
        else:
            log.warning(
                "restored from a backup: nothing goes on until somebody has looked; "
                "see mantle reconcile plan",
                backup=restored.backup,
            )
            self._waiting = asyncio.create_task(self._released(), name="held")
        return count

    async def _go_on(self) -> int:
        """Start whatever has not ended; the answer is how many operations."""
        left = await self.machine.database.read(operation_rows.live)
        for operation in left:
            await self.runtime.start(operation.id, operation.epoch)
        return len(left)

    async def _open_companions(self) -> None:
        for companion in self.companions:
            await companion.open()
        self._opened = True

    async def _released(self) -> None:
        """Begin when the database is held no more, whoever ended that."""
        nudges = self.machine.nudges
        while True:
            ticket = nudges.ticket(HELD)
            try:
                if await self.machine.database.read(held) is None:
                    break
            except Exception:
                # A database that does not answer now does later.
                log.exception("whether the database is held could not be read")
            await nudges.sleep(ticket, HELD_SECONDS)
        log.info("the restored database is released")
        if self.alone:
            await self._go_on()
        await self._open_companions()

    async def close(self) -> None:
        """Stop where it stands; the rows know how to go on."""
        if self._waiting is not None:
            self._waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._waiting
        for companion in reversed(self.companions) if self._opened else ():
            await companion.close()
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat
        await self.runtime.close()
        if not self.alone:
            await self.machine.database.write(leases.give_back, self.machine.id)
            await self.machine.database.write(leases.call)
        await self.machine.database.write(
            event_rows.stop_engine, self.machine.id, self.machine.clock.now()
        )

    async def _perform(self, operation_id: OperationId, attempt: int | None) -> None:
        await perform(self.machine, operation_id, attempt)

    async def _beats(self) -> None:
        lease = self.machine.settings.lease_seconds
        looks = 0 if self.alone else max(0, round(lease / 3 / LOOK_SECONDS) - 1)
        between = (BEAT_SECONDS if self.alone else lease / 3) / (looks + 1)
        while True:
            for _ in range(looks):
                await asyncio.sleep(between)
                try:
                    await self._take_over()
                except Exception:
                    log.exception("silent engines could not be looked for")
            await asyncio.sleep(between)
            asked_at = self.machine.clock.now()
            try:
                known = await self.machine.database.write(leases.beat, self.machine.id, asked_at)
                self.machine.membership.spoke(asked_at, given_up=not known)
                if not self.alone:
                    if not known:
                        log.warning("this engine had been given up; what it held is elsewhere now")
                    await self._take_over()
            except Exception:
                # A full disk or a locked database passes; an engine that fell silent for good
                # because of it would be taken for dead while it works.
                log.exception("the heartbeat was not written")

    async def _take_over(self) -> int:
        """Put back into the queue what silent engines hold; of several that see it, one does."""
        machine = self.machine
        now, lease = machine.clock.now(), machine.settings.lease_seconds
        silent = await machine.database.read(leases.expired, now, lease)
        count = 0
        for engine in silent:
            back = await machine.database.write(leases.take_over, engine, now, lease)
            if back is not None:
                log.warning("an engine fell silent", engine=engine, operations=len(back))
                machine.nudges.nudge(QUEUE)
                await self.runtime.recover([engine])
                count += len(back)
        return count
