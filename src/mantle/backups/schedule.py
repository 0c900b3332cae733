"""Takes backups by itself, and removes those that are no longer wanted.

One loop in every engine; of several, the one that claims the row takes the backup. An engine that
dies over it leaves the claim, which counts no more after an hour, and a hidden file, which the next
backup removes.
"""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import structlog

from mantle.backups.check import State, list_backups
from mantle.backups.create import Made, create_backup
from mantle.backups.keeping import Keep, doomed
from mantle.backups.places import Places
from mantle.backups.sealing import read_key
from mantle.engine.machine import Machine
from mantle.lib.looping import Loop
from mantle.model.errors import MantleError
from mantle.store import backups as backup_rows
from mantle.store.database import Connection

log = structlog.get_logger()

LOOK_SECONDS = 30.0
AGAIN_SECONDS = 300.0
"""After a failure."""
LEASE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is wanted."""

    folder: Path
    every_seconds: float
    keep: Keep
    key_file: Path | None = None


class Backups(Loop):
    """The loop. Opened and closed with the engine."""

    name = "backups"

    def __init__(self, machine: Machine, places: Places, schedule: Schedule) -> None:
        self.machine = machine
        self.places = places
        self.schedule = schedule

    async def _run(self) -> None:
        while True:
            try:
                await self.turn()
            except Exception:
                # The database may be away for a while; the loop must outlive that.
                log.exception("whether a backup is due could not be found out")
            await asyncio.sleep(min(LOOK_SECONDS, self.schedule.every_seconds / 4))

    async def turn(self) -> Made | None:
        """Take a backup if one is due and nobody is at it."""
        database = self.machine.database
        if not await database.write(self._claim):
            return None
        began = time.monotonic()
        try:
            made = await asyncio.to_thread(self._take)
        except (MantleError, OSError) as error:
            log.error("the backup was not taken", reason=str(error))  # noqa: TRY400 - a refusal
            await database.write(self._failed, str(error))
            return None
        seconds = time.monotonic() - began
        log.info(
            "backup taken",
            file=str(made.path),
            bytes=made.size,
            rows=made.rows,
            seconds=round(seconds, 3),
        )
        await database.write(self._succeeded, made, seconds)
        await asyncio.to_thread(self._tidy)
        return made

    def _take(self) -> Made:
        schedule, machine = self.schedule, self.machine
        key = None if schedule.key_file is None else read_key(schedule.key_file)
        return create_backup(
            self.places, schedule.folder, key, now=machine.clock.now(), random=machine.random
        )

    def _tidy(self) -> None:
        # What is damaged is left for a person to look at, and keeps nothing else from staying.
        whole = [
            (each.taken_at, each.path)
            for each in list_backups(self.schedule.folder)
            if each.state is State.WHOLE and each.taken_at is not None
        ]
        for path in doomed(whole, self.schedule.keep):
            path.unlink(missing_ok=True)
            log.info("backup removed", file=str(path))

    def _now(self, connection: Connection) -> float:
        return self.machine.database.time(connection, self.machine.clock.now())

    def _claim(self, connection: Connection) -> bool:
        every = self.schedule.every_seconds
        again = min(AGAIN_SECONDS, every)
        return backup_rows.claim(connection, self._now(connection), every, again, LEASE_SECONDS)

    def _succeeded(self, connection: Connection, made: Made, seconds: float) -> None:
        now = self._now(connection)
        backup_rows.succeeded(connection, now, made.path.name, made.size, seconds)

    def _failed(self, connection: Connection, why: str) -> None:
        backup_rows.failed(connection, self._now(connection), why)
