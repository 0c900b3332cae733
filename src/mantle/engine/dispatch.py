"""Takes operations from the shared queue, as many as this engine has room for.

An operation that is accepted anywhere is a row that belongs to nobody. Whoever has room takes it:
woken by the database's word where it can give one, and by looking every second where not.
"""

from collections import Counter

import structlog

from mantle.engine.machine import Machine
from mantle.engine.runtime import Runtime
from mantle.lib.looping import Loop
from mantle.model.ids import ProjectId
from mantle.plan.fairness import next_ones, room_under
from mantle.store import leases
from mantle.store.database import Connection
from mantle.store.leases import Waiting

log = structlog.get_logger()

QUEUE = "queue"
"""What is nudged when there may be something in it."""

LOOK_SECONDS = 1.0

FRESH_SECONDS = 1.5
"""So long an operation is left to the engines that have less to do than this one."""


class Dispatcher(Loop):
    """The loop. Opened and closed with the engine."""

    name = "dispatcher"

    def __init__(self, machine: Machine, runtime: Runtime) -> None:
        self.machine = machine
        self.runtime = runtime

    async def _run(self) -> None:
        machine = self.machine
        while True:
            ticket = machine.nudges.ticket(QUEUE)
            try:
                taken = await machine.database.write_fenced(self._take)
            except Exception:
                # The database may be away for a while; what is queued stays queued.
                log.exception("the queue could not be read")
                taken = []
            for each in taken:
                await self.runtime.start(each.id, each.epoch)
            if not taken:
                await machine.nudges.sleep(ticket, LOOK_SECONDS)

    def _take(self, connection: Connection) -> list[Waiting]:
        """In one transaction; the rows looked at are this engine's alone until its end."""
        front = leases.front(connection)
        if not front:
            return []
        machine = self.machine
        running: Counter[ProjectId] = Counter()
        roots, mine, everywhere = 0, 0, 0
        for each in leases.under_way(connection):
            everywhere += each.count
            if each.engine == machine.id:
                mine += each.count
                roots += 0 if each.nested else each.count
            if not each.nested:
                running[each.project_id] += each.count
        engines = max(1, leases.alive(connection))
        chosen = next_ones(
            front,
            running,
            room=room_under(
                machine.database.writes.strain_seconds(),
                machine.settings.database_seconds,
                machine.settings.operations_at_once - roots,
            ),
            per_project=machine.settings.operations_at_once_per_project,
            share=max(0, -(-(everywhere + len(front)) // engines) - mine),
            fresh_since=machine.clock.now() - FRESH_SECONDS,
        )
        if not chosen:
            return []
        ids = [each.id for each in chosen]
        return chosen if leases.assign(connection, machine.id, ids, machine.clock.now()) else []
