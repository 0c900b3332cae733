"""Opens the engine for work: whatever has not ended goes on, whoever began it."""

import asyncio
import contextlib
import gc
import socket
from typing import Protocol

import structlog

from mantle.engine.machine import Machine
from mantle.engine.perform import perform
from mantle.engine.runtime import Runtime
from mantle.model.ids import OperationId
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows

log = structlog.get_logger()

BEAT_SECONDS = 5.0

YOUNG_OBJECTS = 50_000
"""Allocations between two collections. A walk makes records by the ten thousand that live as long
as it does; Python's default of 700 would look through them again and again."""


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

    def __init__(self, machine: Machine, runtime: Runtime) -> None:
        self.machine = machine
        self.runtime = runtime
        self.companions: list[Companion] = []
        """What runs beside the operations while the engine is open; `wiring` adds it."""
        self._beat: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """Register, take over what earlier engines left; the answer is how many operations."""
        gc.set_threshold(YOUNG_OBJECTS, 20, 20)
        machine = self.machine
        earlier = await machine.database.write(
            event_rows.register_engine, machine.id, socket.gethostname(), machine.clock.now()
        )
        await self.runtime.open(self._perform, machine.id, earlier)
        left = await machine.database.read(operation_rows.live)
        for operation in left:
            await self.runtime.start(operation.id, operation.epoch)
        for engine in earlier:
            await machine.database.write(event_rows.stop_engine, engine, machine.clock.now())
        if left:
            log.info("operations taken over", count=len(left))
        self._beat = asyncio.create_task(self._beats(), name="heartbeat")
        for companion in self.companions:
            await companion.open()
        return len(left)

    async def close(self) -> None:
        """Stop where it stands; the rows know how to go on."""
        for companion in reversed(self.companions):
            await companion.close()
        if self._beat is not None:
            self._beat.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._beat
        await self.runtime.close()
        await self.machine.database.write(
            event_rows.stop_engine, self.machine.id, self.machine.clock.now()
        )

    async def _perform(self, operation_id: OperationId, attempt: int | None) -> None:
        await perform(self.machine, operation_id, attempt)

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            try:
                await self.machine.database.write(
                    event_rows.beat, self.machine.id, self.machine.clock.now()
                )
            except Exception:
                # A full disk or a locked database passes; an engine that fell silent for good
                # because of it would be taken for dead while it works.
                log.exception("the heartbeat was not written")
