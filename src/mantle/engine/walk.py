"""Walks a plan: starts every step whose requirements are complete, within bounds.

Instant steps (no cloud) run in line, as fast as they can be written; the others are tasks, at most
`steps_at_once`. On the first failure nothing more is started and what runs is left to finish,
except in a check, which looks at everything.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, replace

from mantle.engine.hooks import hook_of
from mantle.engine.machine import Machine
from mantle.engine.operation import RowLookup, reference_of
from mantle.engine.resource import ACTIONS, Drive, Ended, entry_of
from mantle.model.event import Event
from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Cancel, Status
from mantle.store import operations as operation_rows
from mantle.store.journal import Fenced
from mantle.template.environment import Environment
from mantle.template.validate import Loaded

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
    ) -> None:
        self.machine = machine
        self.operation = operation
        self.stack = stack
        self.loaded = loaded
        self.plan = plan
        self.environment = environment if loaded is None else loaded.environment
        """What hooks there are; None when nobody may have asked for any."""
        self.rows = dict(rows)
        self.session = machine.session(stack)
        self.current = current_rows(plan, self.rows)
        self.lookup = RowLookup(self.current, reference_of(machine.registry, stack))
        self.cancel: Cancel | None = operation.cancel
        self.done_count = 0
        self.failures: list[tuple[str, str]] = []
        self.surprises = 0
        """Updates that turned out to need a replacement once their values were known."""
        self.timed_out = False
        self._steps = {step.key: step for step in plan.steps}
        self._missing = {step.key: len(step.requires) for step in plan.steps}
        self._dependents: dict[StepKey, list[StepKey]] = {}
        for step in plan.steps:
            for required in step.requires:
                self._dependents.setdefault(required, []).append(step.key)
        self._ready = deque(step.key for step in plan.steps if not step.requires)
        self._unwritten: deque[asyncio.Future[Cancel | None]] = deque()
        self._stop = asyncio.Event()

    # --- what a step asks of its walk --------------------------------------------------------

    def now(self) -> float:
        """Seconds since the epoch."""
        return self.machine.clock.now()

    @property
    def interrupted(self) -> bool:
        """True when waits are to be given up."""
        return self.cancel is Cancel.INTERRUPT or self.timed_out

    def child_cancel(self) -> Cancel:
        """What a cancelled parent asks of its children: the parent does the rolling back."""
        return Cancel.INTERRUPT if self.cancel is Cancel.INTERRUPT else Cancel.STOP

    def overdue(self, row: ResourceRecord, step: Step) -> bool:
        """True when the step has used up its time."""
        begun = row.started_at if row.started_at is not None else self.now()
        return self.now() - begun > step.timeout_seconds

    async def rest(self, seconds: float) -> None:
        """Sleep, but wake when the walk is interrupted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()

    async def config_text(self, config_id: str) -> str | None:
        """The text of a software configuration: a resource's of this stack, or a stored one."""
        row = self.rows.get(ResourceId(config_id))
        if row is not None and self.machine.registry.get(row.resolved_type).holds_config:
            return str(row.attributes.get("config", ""))
        return await self.machine.config_text(config_id, self.stack.project_id)

    def record(self, drive: Drive, events: list[Event]) -> Awaitable[Cancel | None]:
        """Write the step's row and events; awaiting it makes them durable."""
        row = drive.row
        self.rows[row.id] = row
        entry = entry_of(self)
        entry.resources.append(row)
        entry.events.extend(events)
        if row.status is Status.COMPLETE and drive.step.kind in MAKING:
            self._takes_over(row, entry.resources)
        if row.status is Status.COMPLETE and self.plan.binds and row.name in self.current:
            # Before and after a crash alike, a later step sees what this one made of the values
            # it reads, and stops where the plan says another.
            self._refresh(row)
        if row.state == "DELETE_COMPLETE" and row.replaces is not None:
            self._gives_back(row, entry.resources)
        future = self.machine.journal.write(entry)
        future.add_done_callback(self._heard)
        self._unwritten.append(future)
        return future

    def _takes_over(self, row: ResourceRecord, written: list[ResourceRecord]) -> None:
        self.current[row.name] = row
        old = self.rows.get(row.replaces) if row.replaces else None
        if old is not None and old.replaced_by != row.id:
            self.rows[old.id] = old = replace(old, replaced_by=row.id)
            written.append(old)

    def _refresh(self, row: ResourceRecord) -> None:
        if self.current[row.name].id == row.id and row.action is not Action.DELETE:
            self.current[row.name] = row

    def _gives_back(self, row: ResourceRecord, written: list[ResourceRecord]) -> None:
        """A replacement that is gone (its update was rolled back) replaces nothing any more."""
        old = self.rows.get(row.replaces) if row.replaces else None
        if old is not None and old.replaced_by == row.id:
            self.rows[old.id] = old = replace(old, replaced_by=None)
            written.append(old)

    def _heard(self, future: "asyncio.Future[Cancel | None]") -> None:
        if future.cancelled() or future.exception() is not None:
            self._stop.set()
            return
        self.heed(future.result())

    def heed(self, cancel: Cancel | None) -> None:
        """Take note of a request to cancel."""
        if cancel is not None:
            self.cancel = cancel
            if cancel is Cancel.INTERRUPT:
                self._stop.set()

    # --- the walk ----------------------------------------------------------------------------

    async def run(self) -> Walked:
        """Carry the plan out; the answer says how far it came. Everything is durable by then."""
        watch = asyncio.create_task(self._watch(), name=f"watch {self.operation.id}")
        running: dict[asyncio.Task[Ended], Step] = {}
        try:
            await self._walk(running)
        finally:
            watch.cancel()
            for task in running:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watch
            if running:
                await asyncio.gather(*running, return_exceptions=True)
        while self._unwritten:
            await self._unwritten.popleft()
        return Walked(
            failures=tuple(self.failures),
            cancel=self.cancel,
            timed_out=self.timed_out,
            finished=self.done_count == len(self._steps),
            surprises=self.surprises,
        )

    async def _walk(self, running: dict[asyncio.Task[Ended], Step]) -> None:
        limit = self.operation.batch_size or self.machine.settings.steps_at_once
        in_line = 0
        while True:
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
                return
            finished, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for task in finished:
                self._end(running.pop(task), task.result())
            if self.operation.pause_seconds and not running:
                await self.rest(self.operation.pause_seconds)

    @property
    def _halted(self) -> bool:
        if self.cancel is not None or self.timed_out:
            return True
        return bool(self.failures) and self.plan.action is not Action.CHECK

    def _settled(self, step: Step) -> Ended | None:
        """A step that an earlier run of this plan has ended already."""
        row = self.rows[step.resource_id]
        if step.kind is StepKind.KEEP or hook_of(self, step, "post"):
            return None  # the step looks itself how far it came
        if row.plan_id != self.plan.id or row.action is not ACTIONS[step.kind]:
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
        if ended.failure is not None:
            self.failures.append((step.resource, ended.failure))
            if self.plan.action is not Action.CHECK:
                return
        self.done_count += 1
        for key in self._dependents.get(step.key, ()):
            self._missing[key] -= 1
            if not self._missing[key]:
                self._ready.append(key)

    async def _breathe(self) -> None:
        """Let others run, and let the journal catch up when it is far behind."""
        while self._unwritten and (self._unwritten[0].done() or len(self._unwritten) > UNWRITTEN):
            await self._unwritten.popleft()
        await asyncio.sleep(0)

    async def _watch(self) -> None:
        """Notice a cancel request and the deadline while every step waits."""
        while True:
            ticket = self.machine.nudges.ticket(("cancel", self.operation.id))
            operation = await self.machine.database.read(operation_rows.get, self.operation.id)
            if operation is None or operation.epoch != self.operation.epoch:
                self._stop.set()
                raise Fenced
            self.heed(operation.cancel)
            deadline = self.operation.deadline_at
            left = 3600.0 if deadline is None else deadline - self.now()
            if left <= 0:
                self.timed_out = True
                self._stop.set()
                return
            await self.machine.nudges.sleep(ticket, max(0.05, min(1.0, left)))


def current_rows(
    plan: Plan, rows: Mapping[ResourceId, ResourceRecord]
) -> dict[str, ResourceRecord]:
    """The row each name stands for before the plan's creates have ended.

    A row that is about to be deleted stands for its name only when no other does: until its
    replacement is there, nothing may refer to it.
    """
    leaving = {
        step.resource_id for step in plan.steps if step.kind in {StepKind.DELETE, StepKind.FORGET}
    }
    creating = {step.resource_id: step for step in plan.steps if step.kind in MAKING}
    current: dict[str, ResourceRecord] = {}
    for row in rows.values():
        if row.id in leaving and plan.action is not Action.DELETE:
            continue
        ended = row.status is Status.COMPLETE and row.plan_id == plan.id
        if row.id in creating and not ended:
            continue
        current[row.name] = row
    return current


def summary(failures: tuple[tuple[str, str], ...]) -> str:
    """A stack's reason: each failed resource with its own."""
    return "; ".join(f"resources.{name}: {reason}" for name, reason in failures)
