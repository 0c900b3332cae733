"""Walks a plan: starts every step whose requirements are complete, within bounds.

Instant steps (no cloud) run in line, as fast as they can be written; the others are tasks, at most
`steps_at_once`. On the first failure nothing more is started and what runs is left to finish,
except in a check, which looks at everything.

Note: cancelled, then killed. A walk that is asked to stop lets what runs end. The process dies
before that; the next one finds the request in the operation's row, and rows that say a step was
begun. Those steps go on, and no other: so a cancelled operation leaves no row IN_PROGRESS.
"""

import asyncio
import contextlib
import functools
from collections import deque
from collections.abc import Awaitable, Container, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from msgspec import structs

from mantle.engine.deeds import ACTIONS, Ended, entry_of
from mantle.engine.hooks import hook_of
from mantle.engine.intervening import Intervening
from mantle.engine.keeping import Keeping
from mantle.engine.machine import Machine
from mantle.engine.operation import RowLookup, reference_of
from mantle.engine.resource import Drive
from mantle.engine.software import WalkSoftware
from mantle.model.event import Event
from mantle.model.ids import OperationId, ResourceId, StepKey
from mantle.model.interventions import Intervention, Look
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.plan.interventions import REMOVALS, Standing, StepState, removes, spared, unsettled
from mantle.store import interventions as intervention_rows
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store.database import Connection
from mantle.store.journal import Entry, Fenced
from mantle.template.environment import Environment
from mantle.template.loaded import Loaded
from mantle.template.operator import handed_on

log = structlog.get_logger()

MAKING = {StepKind.CREATE, StepKind.ADOPT}
"""Steps behind which there is a resource that was not there before."""

IN_LINE = 64
"""Instant steps run before the loop gets a turn for others."""

UNWRITTEN = 4_000
"""Entries that may wait for the journal before the walk waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Walked:
    """How a walk ended."""

    failures: tuple[tuple[str, str], ...] = ()
    """Resource name and reason, in the order they came."""
    cancel: Cancel | None = None
    timed_out: bool = False
    finished: bool = True
    """False when steps were left undone."""
    surprises: int = 0
    """Steps left for the next plan, which knows their values."""
    skipped: tuple[str, ...] = ()
    """Steps that somebody had it go on without, each with who and why."""
    tolerated: bool = False
    """Every failure is one that somebody had it go on in spite of."""


NOTHING_ASKED = Standing()

LETS_GO = {Cancel.STOP, Cancel.ROLLBACK, Cancel.INTERRUPT}
"""Whoever asks for these does not want to wait for what merely waits. An update that overtakes
does: as in Heat, what is under way is finished first."""


class Walk:
    """One plan of one operation being carried out."""

    def __init__(
        self,
        machine: Machine,
        operation: OperationRecord,
        stack: StackRecord,
        loaded: Loaded | None,
        plan: Plan,
        rows: Mapping[ResourceId, ResourceRecord],
        environment: Environment | None = None,
        standing: Standing = NOTHING_ASKED,
        keeping: Keeping | None = None,
    ) -> None:
        self.machine = machine
        self.operation = operation
        self.stack = stack
        self.loaded = loaded
        self.plan = plan
        self.environment = environment if loaded is None else loaded.environment
        """What hooks there are; None when nobody may have asked for any."""
        self.keeping = keeping
        """The snapshot that it takes or returns to, if any."""
        self.rows = dict(rows)
        self.session = machine.session(stack)
        self.far = functools.partial(machine.far.connect, stack.project_id)
        """The way to other Heats, for phases."""
        self.software = WalkSoftware(self)
        self.skipped: dict[StepKey, str] = dict(standing.skipped)
        """Steps to go on without, with the reason."""
        self.cancelled: dict[StepKey, str] = dict(standing.cancelled)
        """Steps that were stopped, or are not to be begun."""
        self.tolerated: set[StepKey] = set(standing.tolerated)
        """Steps whose failure does not keep others from being begun."""
        self.current = current_rows(plan, self.rows, self.skipped)
        self.lookup = RowLookup(self.current, reference_of(machine.registry, stack))
        self.cancel: Cancel | None = operation.cancel
        self.proved = -1
        """The engine's lapses up to which the operation was surely still ours."""
        self.done_count = 0
        self.failures: dict[StepKey, tuple[str, str]] = {}
        """Resource name and reason."""
        self.running: dict[asyncio.Future[Ended], Step] = {}
        self.broken: BaseException | None = None
        """Why nothing more can be written: mostly that another engine holds the operation."""
        self.surprises = 0
        """Updates that turned out to need a replacement once their values were known."""
        self.postponed: set[StepKey] = set()
        """Removals behind those, which the next plan does in their order."""
        self.timed_out = False
        self._steps = {step.key: step for step in plan.steps}
        self._later: dict[ResourceId, list[StepKind]] = {}
        for step in plan.steps:
            self._later.setdefault(step.resource_id, []).append(step.kind)
        self._missing = {step.key: len(step.requires) for step in plan.steps}
        self._dependents: dict[StepKey, list[StepKey]] = {}
        for step in plan.steps:
            for required in step.requires:
                self._dependents.setdefault(required, []).append(step.key)
        self._ready = deque(step.key for step in plan.steps if not step.requires)
        self._unwritten: deque[asyncio.Future[Cancel | None]] = deque()
        self._stop = asyncio.Event()
        """Set when waits are to be given up."""
        self._free = asyncio.Event()
        """Set when what only waits is to be given up; once it is, it stays so."""
        self.awaited: set[OperationId] = set()
        """Operations of stacks inside that steps wait for."""
        self._ended: set[StepKey] = set()
        self._asked: deque[Intervention] = deque()
        self._heard_of: set[str] = set()
        self._call: asyncio.Future[Ended] | None = None
        """Ends when somebody asks for something, to wake the walk."""
        self._intervening = Intervening(self)
        self._release()

    # --- what a step asks of its walk --------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.machine.clock.now()

    @property
    def interrupted(self) -> bool:
        """True when waits are to be given up."""
        return self.cancel is Cancel.INTERRUPT or self.timed_out or self.broken is not None

    @property
    def lets_go(self) -> bool:
        """True when waits in which nothing is done, here or in a cloud, are to be given up."""
        return self._free.is_set()

    @property
    def why_given_up(self) -> str:
        """What a step that is given up says of it."""
        if self.timed_out:
            return "timed out"
        return (
            "its stack is deleted" if self.cancel is Cancel.INTERRUPT else "user triggered cancel"
        )

    def child_cancel(self) -> Cancel:
        """What a cancelled parent asks of its children: the parent does the rolling back."""
        passed_on = {Cancel.INTERRUPT, Cancel.SUPERSEDE}
        return self.cancel if self.cancel in passed_on else Cancel.STOP

    def overdue(self, row: ResourceRecord, step: Step) -> bool:
        """True when the step has used up its time."""
        begun = row.started_at if row.started_at is not None else self.now()
        return self.now() - begun > step.timeout_seconds

    async def rest(self, seconds: float, *, idle: bool = False) -> None:
        """Sleep, but wake when this is given up, which an idle wait is sooner than others."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await (self._free if idle else self._stop).wait()

    def given(self) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Files and environment as the user gave them, without values and sinks, for elsewhere."""
        if self.loaded is None:
            return {}, {}
        return handed_on(self.loaded.source, self.machine.settings.operator)

    async def config_text(self, config_id: str) -> str | None:
        """The text of a software configuration: a resource's of this stack, or a stored one."""
        row = self.rows.get(ResourceId(config_id))
        if row is not None and self.machine.registry.get(row.resolved_type).holds_config:
            text = row.attributes.get("config", "")
            return text if isinstance(text, str) else None
        return await self.machine.config_text(config_id, self.stack.project_id)

    def record(self, drive: Drive, events: list[Event]) -> Awaitable[Cancel | None]:
        """Write the step's row and events; awaiting it makes them durable."""
        row = drive.row
        self.rows[row.id] = row
        entry = entry_of(self)
        entry.resources.append(row)
        entry.events.extend(events)
        entry.also, drive.also = drive.also, None
        if row.status is Status.COMPLETE and drive.step.kind in MAKING:
            self._takes_over(row, entry.resources)
        if row.status is Status.COMPLETE and self.plan.binds and row.name in self.current:
            # Before and after a crash alike, a later step sees what this one made of the values
            # it reads, and stops where the plan says another.
            self._refresh(row)
        if row.state == "DELETE_COMPLETE" and row.replaces is not None:
            self._gives_back(row, entry.resources)
        future = self._sent(entry)
        self._unwritten.append(future)
        return future

    async def write(self, entry: Entry) -> None:
        """Write what a request led to; durable when this returns."""
        await self._sent(entry)

    def _sent(self, entry: Entry) -> "asyncio.Future[Cancel | None]":
        """To the journal; what passes the fence proves that the operation was ours meanwhile."""
        lapses = self.machine.membership.lapses
        future = self.machine.journal.write(entry)
        future.add_done_callback(functools.partial(self._heard, lapses=lapses))
        return future

    def note(self, look: Look) -> None:
        """Write how a step's waiting goes; nobody waits for that to be durable."""
        entry = entry_of(self)
        entry.also = functools.partial(_save_look, look=look)
        self.machine.journal.write(entry).add_done_callback(self._heard)

    def _takes_over(self, row: ResourceRecord, written: list[ResourceRecord]) -> None:
        self.current[row.name] = row
        old = self.rows.get(row.replaces) if row.replaces else None
        if old is not None and old.replaced_by != row.id:
            self.rows[old.id] = old = structs.replace(old, replaced_by=row.id)
            written.append(old)

    def _refresh(self, row: ResourceRecord) -> None:
        if self.current[row.name].id == row.id and row.action is not Action.DELETE:
            self.current[row.name] = row

    def _gives_back(self, row: ResourceRecord, written: list[ResourceRecord]) -> None:
        """A replacement that is gone (its update was rolled back) replaces nothing any more."""
        old = self.rows.get(row.replaces) if row.replaces else None
        if old is not None and old.replaced_by == row.id:
            self.rows[old.id] = old = structs.replace(old, replaced_by=None)
            written.append(old)

    def _heard(self, future: "asyncio.Future[Cancel | None]", lapses: int = -1) -> None:
        """A write has passed the fence, or not; it was begun after so many lapses."""
        if future.cancelled():
            return  # the step that waited for it was stopped; what it wrote is written all the same
        error = future.exception()
        if error is not None:
            self._break(error)
            return
        self.proved = max(self.proved, lapses)
        self.heed(future.result())

    def _break(self, error: BaseException) -> None:
        """What is done from here on could not be written: stop where it stands."""
        if self.broken is None:
            self.broken = error
        self._release()
        self._wake()

    def heed(self, cancel: Cancel | None) -> None:
        """Take note of a request to cancel."""
        if cancel is not None and cancel is not self.cancel:
            self.cancel = cancel
            self._release()

    def _release(self) -> None:
        """Wake whoever waits for what is not waited for any more."""
        if self.interrupted:
            self._stop.set()
        if self.interrupted or self.cancel in LETS_GO:
            self._free.set()
        if self.cancel is None and not self.interrupted:
            return
        for key in (("signals", self.stack.id), ("hooks", self.stack.id), *self.awaited):
            self.machine.nudges.nudge(key)

    # --- the walk ----------------------------------------------------------------------------

    async def run(self) -> Walked:
        """Carry the plan out; the answer says how far it came. Everything is durable by then."""
        deadline = self.operation.deadline_at
        if deadline is not None and deadline <= self.now():
            self.timed_out = True
            self._release()
        watch = asyncio.create_task(self._watch(), name=f"watch {self.operation.id}")
        try:
            await self._walk()
        finally:
            watch.cancel()
            for task in self.running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            if self.running:
                await asyncio.gather(*self.running, return_exceptions=True)
        if self.broken is not None:
            raise self.broken
        while self._unwritten:
            await self._durable(self._unwritten.popleft())
        return Walked(
            failures=tuple(self.failures.values()),
            cancel=self.cancel,
            timed_out=self.timed_out,
            finished=self.done_count == len(self._steps),
            surprises=self.surprises,
            skipped=tuple(f"{key} ({why})" for key, why in self.skipped.items()),
            tolerated=bool(self.failures) and self.failures.keys() <= self.tolerated,
        )

    async def _durable(self, written: "asyncio.Future[Cancel | None]") -> None:
        """Wait for a write; one whose step was stopped is made durable by those behind it."""
        if not written.cancelled():
            await written

    async def _walk(self) -> None:
        running = self.running
        limit = self.operation.batch_size or self.machine.settings.steps_at_once
        in_line = 0
        for step in self._recalled():
            running[asyncio.create_task(Drive(self, step).run())] = step
        while True:
            if self.broken is not None:
                return
            while self._asked:
                await self._intervening.honour(self._asked.popleft())
            while self._ready and len(running) < limit and not self._halted:
                step = self._steps[self._ready.popleft()]
                ended = self._settled(step)
                if ended is not None:
                    self._end(step, ended)
                    continue
                drive = Drive(self, step)
                if drive.instant:
                    self._end(step, await drive.instantly())
                    in_line += 1
                    if in_line % IN_LINE == 0:
                        await self._breathe()
                else:
                    running[asyncio.create_task(drive.run())] = step
            if not running:
                if self._asked or await self._asked_meanwhile():
                    continue
                return
            if self._call is None or self._call.done():
                self._call = asyncio.get_running_loop().create_future()
            if self._asked or self.broken is not None:
                continue
            finished, _ = await asyncio.wait(
                (*running, self._call), return_when=asyncio.FIRST_COMPLETED
            )
            for task in finished:
                if task is not self._call:
                    self._end(running.pop(task), task.result())
            if self.operation.pause_seconds and not running:
                await self.rest(self.operation.pause_seconds, idle=True)

    def _recalled(self) -> list[Step]:
        """Steps that an earlier run of this plan had begun; what it had ended is ended here."""
        begun: list[Step] = []
        untouched: deque[StepKey] = deque()
        while self._ready:
            step = self._steps[self._ready.popleft()]
            ended = self._settled(step)
            if ended is not None:
                self._end(step, ended)
            elif self._under_way(step):
                begun.append(step)
            else:
                untouched.append(step.key)
        self._ready = untouched
        return begun

    def _under_way(self, step: Step) -> bool:
        row = self.rows.get(step.resource_id)
        ours = row is not None and row.plan_id == self.plan.id
        return (
            ours
            and row is not None
            and row.status is Status.IN_PROGRESS
            and row.action is ACTIONS.get(step.kind)
        )

    @property
    def _halted(self) -> bool:
        if self.cancel is not None or self.timed_out or self.broken is not None:
            return True
        if not self.failures or self.plan.action is Action.CHECK:
            return False
        return not self.failures.keys() <= self.tolerated

    def passed(self, step: Step) -> bool:
        """Whether the step's row is at a later step of this plan already.

        A row may have two steps: made and then filled, or kept and then deleted. After a crash in
        the second, the first must not be done again.
        """
        kinds = self._later[step.resource_id]
        row = self.rows.get(step.resource_id)
        if row is None or len(kinds) < 2 or row.plan_id != self.plan.id:
            return False
        later = kinds[kinds.index(step.kind) + 1 :]
        return row.action in {ACTIONS[kind] for kind in later if kind is not StepKind.KEEP}

    def _settled(self, step: Step) -> Ended | None:
        """A step that an earlier run of this plan has ended already."""
        if step.key in self.skipped or step.key in self.postponed:
            return Ended()
        if step.key in self.cancelled:
            return Ended(self.cancelled[step.key])
        row = self.rows.get(step.resource_id)
        if row is None:
            # Removed before this operation ended badly and was made to go on.
            gone = removes(self.plan, step)
            return Ended(None if gone else "its row is gone: update the stack instead")
        if self.passed(step) and not hook_of(self, step, "post"):
            return Ended()
        if step.kind is StepKind.KEEP or hook_of(self, step, "post"):
            return None  # the step looks itself how far it came
        if row.plan_id != self.plan.id:
            return None
        if row.action is Action.CHECK and self.plan.action is not Action.CHECK:
            return Ended()  # done, and marked by somebody before the operation was made to go on
        if row.action is not ACTIONS[step.kind]:
            return None
        if row.status is Status.IN_PROGRESS:
            return None
        if row.status is Status.FAILED:
            return Ended(row.reason)
        return Ended()

    def _end(self, step: Step, ended: Ended) -> None:
        if ended.interrupted:
            return
        if ended.surprise:
            self.surprises += 1
            if step.key in self._dependents:
                # Nothing was moved off what is removed behind it: the next plan does both.
                self.postponed.update(spared(self.plan, {step.key: ""}))
        if ended.failure is not None:
            self.failures[step.key] = (step.resource, ended.failure)
            if self.plan.action is not Action.CHECK:
                return
        self.done_count += 1
        self._ended.add(step.key)
        for key in self._dependents.get(step.key, ()):
            self._missing[key] -= 1
            if not self._missing[key]:
                self._ready.append(key)

    async def _breathe(self) -> None:
        """Let others run, and let the journal catch up when it is far behind."""
        while self._unwritten and (self._unwritten[0].done() or len(self._unwritten) > UNWRITTEN):
            await self._durable(self._unwritten.popleft())
        await asyncio.sleep(0)

    # --- what people ask of it ---------------------------------------------------------------

    def state_of(self, step: Step) -> StepState:
        """How far a step is, as this walk knows it."""
        if step.key in self.skipped:
            return StepState.SKIPPED
        if step.key in self.failures:
            return StepState.FAILED
        if any(each.key == step.key for each in self.running.values()):
            return StepState.RUNNING
        if step.key in self._ended:
            return StepState.DONE
        return StepState.BLOCKED if self._missing[step.key] else StepState.READY

    def step_of(self, key: StepKey) -> Step | None:
        """A step of the plan."""
        return self._steps.get(key)

    async def stopped(self, step: Step) -> bool:
        """Stop a step as if killed; false when it ended by itself in this very moment."""
        for task, each in list(self.running.items()):
            if each.key != step.key:
                continue
            task.cancel()
            await asyncio.wait([task])
            del self.running[task]
            if task.cancelled():
                return True
            ended = task.result()
            self._end(step, ended)
            return ended.interrupted
        return True

    def begin_again(self, step: Step) -> None:
        """Have a step that failed or was stopped be begun."""
        self.failures.pop(step.key, None)
        self.cancelled.pop(step.key, None)
        self.tolerated.discard(step.key)
        if step.key in self._ended:
            self._ended.discard(step.key)
            self.done_count -= 1
        if not self._missing[step.key] and step.key not in self._ready:
            self._ready.append(step.key)

    def settle(self, step: Step, ended: Ended) -> None:
        """A step ends by a person's word; one that was not begun does so when its turn comes."""
        if step.key in self._ended:
            return  # a check that found something has ended with its failure
        if not self._missing[step.key] and step.key not in self._ready:
            self._end(step, ended)
        elif ended.failure is not None:
            self.failures[step.key] = (step.resource, ended.failure)

    def leave_out(self, skipped: Mapping[StepKey, str]) -> None:
        """Go on without these; what was to be replaced by one stands for its name again."""
        for key, why in skipped.items():
            self.skipped[key] = why
            self.failures.pop(key, None)
            self.cancelled.pop(key, None)
            self.tolerated.discard(key)
        self.current = current_rows(self.plan, self.rows, self.skipped)
        self.lookup.rows = self.current

    def _wake(self) -> None:
        if self._call is not None and not self._call.done():
            self._call.set_result(Ended())

    def _hear(self, asked: list[Intervention]) -> bool:
        found = unsettled(asked, self._heard_of)
        self._asked.extend(found)
        self._heard_of.update(each.id for each in found)
        if found:
            self._wake()
        return bool(found)

    async def _asked_meanwhile(self) -> bool:
        """Before it ends other than well: whether somebody has just asked to go on."""
        if not self.failures and self.done_count == len(self._steps):
            return False
        if self.broken is not None:
            return False
        return self._hear(
            await self.machine.database.read(intervention_rows.open_of, self.operation.id)
        )

    async def _watch(self) -> None:
        """Notice a cancel request, verbs and the deadline while every step waits."""
        while True:
            ticket = self.machine.nudges.ticket(("cancel", self.operation.id))
            try:
                operation, asked = await self.machine.database.read(_requests, self.operation.id)
            except Exception:
                # The next look may succeed; without this loop nobody could stop the operation.
                log.exception("an operation's requests were not read", operation=self.operation.id)
                await self.machine.nudges.sleep(ticket, 1.0)
                continue
            if operation is None or operation.epoch != self.operation.epoch:
                self._break(Fenced())
                return
            self.heed(operation.cancel)
            self._hear(asked)
            deadline = self.operation.deadline_at
            left = 3600.0 if deadline is None else deadline - self.now()
            if left <= 0:
                self.timed_out = True
                self._release()
                return
            await self.machine.nudges.sleep(ticket, max(0.05, min(1.0, left)))


def _save_look(connection: Connection, look: Look) -> None:
    look_rows.save(connection, look)


def _requests(
    connection: Connection, operation_id: OperationId
) -> tuple[OperationRecord | None, list[Intervention]]:
    operation = operation_rows.get(connection, operation_id)
    return operation, intervention_rows.open_of(connection, operation_id)


def current_rows(
    plan: Plan, rows: Mapping[ResourceId, ResourceRecord], skipped: Container[StepKey] = ()
) -> dict[str, ResourceRecord]:
    """The row each name stands for before the plan's creates have ended.

    A row that is about to be deleted stands for its name only when no other does: until its
    replacement is there, nothing may refer to it.
    """
    leaving = {
        step.resource_id for step in plan.steps if step.kind in REMOVALS and step.key not in skipped
    }
    creating = {step.resource_id: step for step in plan.steps if step.kind in MAKING}
    current: dict[str, ResourceRecord] = {}
    for row in rows.values():
        if row.id in leaving and plan.action is not Action.DELETE:
            continue
        ended = row.plan_id == plan.id and (
            row.status is Status.COMPLETE or row.action is Action.RESTORE
        )
        if row.id in creating and not ended:
            continue
        if row.name in current and not row.is_there:
            continue  # what was never made takes nobody's place
        current[row.name] = row
    return current


def summary(failures: tuple[tuple[str, str], ...]) -> str:
    """A stack's reason: each failed resource with its own."""
    return "; ".join(f"resources.{name}: {reason}" for name, reason in failures)
