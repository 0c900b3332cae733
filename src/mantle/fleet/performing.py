"""Carries sweeps out: a bounded number of servers side by side, each with an outcome of its own.

What is about to be asked of a cloud is written before it is asked (`planning.py` says what for), so
a sweep goes on after a kill at any moment: the next engine claims it, and each server that was
being worked on is looked at first. Writes of many servers are committed together.

Note: two engines. A is frozen and given up; B claims the sweep with a higher epoch. What A writes
when it wakes meets the fence, and A lets the sweep go before it asks any cloud for anything more:
every deed comes after a write.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import structlog

from mantle.clouds.ports import Clash, CloudError, Missing, Move, Power, Session, Unavailable
from mantle.engine.dispatch import QUEUE
from mantle.engine.machine import Machine
from mantle.fleet.inventory import seen_of
from mantle.fleet.planning import Act, End, Look, by_deed, deed_of, next_for
from mantle.fleet.sweeps import SWEEP
from mantle.lib.looping import Loop
from mantle.model.sweeps import Seen, Sweep, SweepStatus, SweepVerb, Target, TargetState
from mantle.store import sweeps as sweep_rows
from mantle.store.sweeps import Counts

log = structlog.get_logger()

LOOK_SECONDS = 15.0
"""How often the queue is read when nothing nudges: another engine's end is found so."""
TOLD_SECONDS = 0.25
"""Writes of ends wait so long for company."""
FIRST_PAUSE_SECONDS = 0.2
MOST_PAUSE_SECONDS = 3.0
PATIENCE_SECONDS = 600.0
"""A server that is still being changed after so long has failed; the cloud may yet succeed."""
TROUBLE_SECONDS = 120.0
"""So long a cloud that refuses or does not answer is asked again for one server."""
PURGE_SECONDS = 3600.0
PURGED_AT_ONCE = 100

POWER = {
    SweepVerb.ON: Power.ON,
    SweepVerb.OFF: Power.OFF,
    SweepVerb.REBOOT: Power.REBOOT,
    SweepVerb.HARD_REBOOT: Power.HARD_REBOOT,
    SweepVerb.SUSPEND: Power.SUSPEND,
    SweepVerb.RESUME: Power.RESUME,
}


class Lost(Exception):
    """Another engine has the sweep by now."""


class Sweeper(Loop):
    """The loop that claims sweeps. Opened and closed with the engine."""

    name = "sweeper"

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._running: dict[str, asyncio.Task[None]] = {}
        self._purge_at = 0.0

    async def close(self) -> None:
        """Stop where it stands."""
        await super().close()
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self) -> None:
        machine = self.machine
        while True:
            ticket = machine.nudges.ticket(QUEUE)
            try:
                await self._turn()
            except Exception:
                # The sweeper's one loop: a database that is away for a while must not end it.
                log.exception("the sweeps could not be read")
            await machine.nudges.sleep(ticket, LOOK_SECONDS)

    async def _turn(self) -> None:
        machine = self.machine
        now = machine.clock.now()
        for sweep_id in await machine.database.read(sweep_rows.waiting):
            if sweep_id in self._running:
                continue
            sweep = await machine.database.write(sweep_rows.claim, sweep_id, machine.id, now)
            if sweep is not None:
                task = asyncio.create_task(self._perform(sweep), name=f"sweep {sweep_id}")
                self._running[sweep_id] = task
                task.add_done_callback(lambda _, key=sweep_id: self._running.pop(key, None))  # type: ignore[misc]
        if now >= self._purge_at:
            self._purge_at = now + PURGE_SECONDS
            before = now - machine.settings.operations_kept_seconds
            await machine.database.write(sweep_rows.purge, before, PURGED_AT_ONCE)

    async def _perform(self, sweep: Sweep) -> None:
        try:
            await perform(self.machine, sweep)
        except Lost:
            log.warning("a sweep is another engine's by now", sweep=sweep.id)
        except Exception:
            # A defect must not take the others along; the sweep says that it was one.
            log.exception("a sweep failed by a defect of Mantle", sweep=sweep.id)
            reason = "It failed by a defect of Mantle; the log tells more."
            await self.machine.database.write(
                sweep_rows.finish, sweep, SweepStatus.FAILED, reason, self.machine.clock.now()
            )


async def perform(machine: Machine, sweep: Sweep) -> None:
    """Bring every server of a claimed sweep to its outcome."""
    targets = await machine.database.read(sweep_rows.targets, sweep.id)
    ledger = Ledger(machine, sweep, targets)
    open_ones = [target for target in targets if not target.state.ended]
    # First what was begun before: it is under way in its cloud.
    open_ones.sort(key=lambda target: (target.state is TargetState.PENDING, target.position))
    left = iter(open_ones)

    async def work() -> None:
        for target in left:
            if target.state is TargetState.PENDING and (stopped := ledger.stopped()):
                await ledger.end(target, TargetState.SKIPPED, stopped)
            else:
                await bring(machine, sweep, target, ledger)

    workers = [asyncio.create_task(work()) for _ in range(min(sweep.parallel, len(open_ones)))]
    telling = asyncio.create_task(ledger.tell())
    try:
        await asyncio.gather(*workers)
    finally:
        for task in (telling, *workers):
            task.cancel()
        await asyncio.gather(telling, *workers, return_exceptions=True)
    await ledger.flush()
    status, reason = ledger.verdict()
    await machine.database.write(sweep_rows.finish, sweep, status, reason, machine.clock.now())
    machine.nudges.nudge((SWEEP, sweep.id))


class Ledger:
    """What became of the servers: written in order, many at once, behind the fence."""

    def __init__(self, machine: Machine, sweep: Sweep, targets: Sequence[Target]) -> None:
        self._machine = machine
        self._sweep = sweep
        self._now = {target.position: target for target in targets}
        self._unwritten: dict[int, Target] = {}
        self._writing = asyncio.Lock()
        self._cancel = sweep.cancel

    async def begin(self, target: Target) -> None:
        """Durable when this returns: the deed comes after it."""
        self._put(target)
        # One turn of the loop: those who begin at the same moment share the commit.
        await asyncio.sleep(0)
        await self.flush()

    async def end(self, target: Target, state: TargetState, reason: str = "") -> None:
        """May be written a little later: found again by looking, should it be lost."""
        now = self._machine.clock.now()
        self._put(replace(target, state=state, reason=reason[:1000], ended_at=now))

    async def tell(self) -> None:
        """Write ends every now and then, for those who watch."""
        while True:
            await asyncio.sleep(TOLD_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write all that is not written."""
        async with self._writing:
            if not self._unwritten:
                return
            batch = list(self._unwritten.values())
            cancel = await self._machine.database.write_fenced(
                sweep_rows.record, self._sweep, batch, self.counts()
            )
            if cancel is None:
                raise Lost
            for target in batch:
                # Unless it was put again meanwhile.
                if self._unwritten[target.position] is target:
                    del self._unwritten[target.position]
            self._cancel = self._cancel or cancel
            self._machine.nudges.nudge((SWEEP, self._sweep.id))

    def _put(self, target: Target) -> None:
        self._now[target.position] = target
        self._unwritten[target.position] = target

    def counts(self) -> Counts:
        """As the servers stand."""
        states = Counter(target.state for target in self._now.values())
        return Counts(
            done=states[TargetState.DONE] + states[TargetState.UNCHANGED],
            failed=states[TargetState.FAILED],
            skipped=states[TargetState.SKIPPED],
        )

    def stopped(self) -> str:
        """Why no further server is begun, or nothing."""
        if self._cancel:
            return "The sweep was cancelled before it."
        allowed = self._sweep.failures_allowed
        if self.counts().failed > allowed:
            return f"More than {allowed} servers failed before it."
        return ""

    def verdict(self) -> tuple[SweepStatus, str]:
        """How the sweep ended, once every server has."""
        counts = self.counts()
        said = f"{counts.done} done, {counts.failed} failed, {counts.skipped} left alone"
        if self._cancel:
            return SweepStatus.CANCELLED, said
        return (SweepStatus.FAILED if counts.failed else SweepStatus.COMPLETE), said


async def bring(machine: Machine, sweep: Sweep, target: Target, ledger: Ledger) -> None:
    """One server to its outcome."""
    if target.cloud not in machine.clouds:
        said = f"The cloud {target.cloud!r} is not configured any more."
        await ledger.end(target, TargetState.FAILED, said)
        return
    session = machine.view(target.cloud, sweep.project_id, sweep.user_id)
    began = machine.clock.now()
    pause, trouble = FIRST_PAUSE_SECONDS, began
    while True:
        try:
            seen, newest = await _look(session, sweep, target)
            match next_for(sweep.verb, target, seen, newest):
                case End(state=state, reason=reason):
                    await ledger.end(target, state, reason)
                    return
                case Look(why=why):
                    trouble = machine.clock.now()
                    if trouble - began > PATIENCE_SECONDS:
                        said = f"After {PATIENCE_SECONDS:.0f} s {why} still."
                        await ledger.end(target, TargetState.FAILED, said)
                        return
                case Act():
                    target = _begun(target, newest, machine.clock.now())
                    await ledger.begin(target)
                    await _do(session, sweep, target)
                    trouble = machine.clock.now()
        except Missing:
            await ledger.end(target, TargetState.SKIPPED, "It is no longer there.")
            return
        except CloudError as error:
            said = f"{error.message} {error.remedy}".strip()
            lasting = not isinstance(error, (Clash, Unavailable))
            if lasting or machine.clock.now() - trouble > TROUBLE_SECONDS:
                await ledger.end(target, TargetState.FAILED, said)
                return
            # What a cloud refuses for the moment is no attempt; what it may have done is looked at.
            target = replace(target, attempts=max(0, target.attempts - 1))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, MOST_PAUSE_SECONDS)


async def _look(session: Session, sweep: Sweep, target: Target) -> tuple[Seen | None, str]:
    """The server, and its newest deed of the sweep's kind."""
    try:
        server = await session.servers.get(target.server_id)
    except Missing:
        return None, ""
    seen = seen_of(server, target.cloud, "", target.stack)
    if not by_deed(sweep.verb):
        return seen, ""
    deeds = await session.servers.deeds(target.server_id)
    return seen, next((deed.id for deed in deeds if deed.verb == deed_of(sweep.verb)), "")


def _begun(target: Target, newest: str, now: float) -> Target:
    if target.state is TargetState.PENDING:
        target = replace(target, state=TargetState.ACTING, mark=newest, started_at=now)
    return replace(target, attempts=target.attempts + 1)


async def _do(session: Session, sweep: Sweep, target: Target) -> None:
    servers = session.servers
    match sweep.verb:
        case SweepVerb.RESIZE:
            await servers.resize(target.server_id, target.wanted[0])
        case SweepVerb.MIGRATE | SweepVerb.LIVE_MIGRATE:
            await servers.migrate(target.server_id, Move(sweep.verb.value), sweep.host or None)
        case _:
            await servers.power(target.server_id, POWER[sweep.verb])
