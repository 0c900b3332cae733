"""The watchdog: marks operations that cannot go on, and takes the mark away when they do again.

One loop in every engine; what it finds is decided by `plan/watchdog.py` from rows alone. A mark is
a row, and its coming and going are events: of several engines that find the same, one writes it.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import structlog

from mantle.lib.looping import Loop
from mantle.model.ids import OperationId, PlanId
from mantle.model.interventions import Stuck
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord
from mantle.plan.explain import progress_of, views_of, waits_since
from mantle.plan.render import plan_from_json
from mantle.plan.watchdog import Reason, Watched, find_stuck
from mantle.stacks.control import Control
from mantle.stacks.explain import engine_of, patience_of, wait_ends
from mantle.store import events as event_rows
from mantle.store import hooks as hook_rows
from mantle.store import interventions as intervention_rows
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

log = structlog.get_logger()

KEPT_PLANS = 64
"""Plans of long operations that are not read and parsed again at every look."""

YOUNG_SECONDS = 30.0
"""An operation that was begun so shortly ago is stuck in nothing yet."""


class Watchdog(Loop):
    """The loop. Opened and closed with the engine."""

    name = "watchdog"

    def __init__(self, control: Control) -> None:
        self.control = control
        self._plans: OrderedDict[PlanId, Plan] = OrderedDict()

    async def open(self) -> None:
        """Begin, unless it is told never to look by itself."""
        if self.control.settings.watch_seconds > 0:
            await super().open()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.control.settings.watch_seconds)
            try:
                await self.look()
            except Exception:
                # One look that fails must not end the watch.
                log.exception("the watchdog's look failed")

    async def look(self) -> list[Stuck]:
        """Look at every operation under way; the answer is what is marked afterwards."""
        read = self.control.database.read
        now = self.control.clock.now()
        marked = await read(look_rows.all_stuck)
        live = await read(operation_rows.live)
        found: list[Stuck] = []
        for operation in live:
            before = marked.get(operation.id)
            if before is None and now - operation.created_at < YOUNG_SECONDS:
                continue
            reasons = await self._reasons(operation, now)
            if reasons:
                found.append(_mark(operation, reasons, before, now))
            if _keys(reasons) != (() if before is None else _keys_of(before)):
                await self._write(operation, found[-1] if reasons else None)
        if not marked.keys() <= {operation.id for operation in live}:
            await self.control.database.write(look_rows.forget_ended)
        return found

    async def _reasons(self, operation: OperationRecord, now: float) -> tuple[Reason, ...]:
        plan = await self._plan(operation)
        watched = await self.control.database.read(self._watched, operation.id, plan)
        if watched is None:
            return ()
        return find_stuck(watched, now, patience_of(self.control.machine))

    async def _plan(self, operation: OperationRecord) -> Plan | None:
        if operation.plan_id is None:
            return None
        if operation.plan_id not in self._plans:
            document = await self.control.database.read(
                operation_rows.plan_document, operation.plan_id
            )
            if document is None:
                return None
            self._plans[operation.plan_id] = plan_from_json(document)
            while len(self._plans) > KEPT_PLANS:
                self._plans.popitem(last=False)
        return self._plans[operation.plan_id]

    def _watched(
        self, connection: Connection, operation_id: OperationId, plan: Plan | None
    ) -> Watched | None:
        """The operation as it is now; None when it has ended or been planned again meanwhile."""
        operation = operation_rows.get(connection, operation_id)
        if operation is None or operation.status.ended:
            return None
        if plan is not None and operation.plan_id != plan.id:
            return None
        live = operation_rows.live_of_stack(connection, operation.stack_id)
        first = live[0].id if live and live[0].id != operation_id else None
        asked = intervention_rows.of_operation(connection, operation_id)
        held = {
            each.resource: (each.hook, each.held_at)
            for each in hook_rows.waiting(connection, operation.stack_id)
            if each.operation_id == operation_id
        }
        watched = Watched(
            operation=operation,
            engine=engine_of(connection, operation, self.control.clock.now()),
            waits_since=waits_since(operation, asked),
            behind=first,
            held=held,
        )
        if plan is None or first is not None:
            return watched
        rows = {row.id: row for row in resource_rows.states_of(connection, operation.stack_id)}
        looks = look_rows.of_operation(connection, operation_id)
        views = views_of(
            operation,
            plan,
            rows,
            held=[(name, hook, since) for name, (hook, since) in held.items()],
            interventions=asked,
            looks=looks,
            now=self.control.clock.now(),
        )
        return Watched(
            operation=operation,
            engine=watched.engine,
            waits_since=watched.waits_since,
            held=held,
            steps=progress_of(plan, views, looks, wait_ends(self.control.machine, rows)),
            moved_at=max((row.updated_at or 0.0 for row in rows.values()), default=None),
        )

    async def _write(self, operation: OperationRecord, found: Stuck | None) -> None:
        """Set or take away the mark, with its event; nothing if another engine was faster."""
        machine = self.control.machine

        def write(connection: Connection) -> bool:
            there = look_rows.stuck_of(connection, operation.id)
            now = operation_rows.get(connection, operation.id)
            stack = stack_rows.get(connection, operation.stack_id)
            if now is None or stack is None or now.status.ended:
                return False
            if (None if there is None else _keys_of(there)) == (
                None if found is None else _keys_of(found)
            ):
                return False
            if found is None:
                look_rows.clear(connection, operation.id)
                said = f"Operation {operation.id} moves again"
            else:
                look_rows.mark(connection, found)
                why = "; ".join(text for _, _, text in found.reasons)
                said = f"Operation {operation.id} cannot go on: {why}"
            event = machine.stack_event(stack, now, stack.action, stack.status, said)
            event_rows.add(connection, [event])
            return True

        if await self.control.database.write(write):
            machine.nudges.nudge(operation.stack_id)


def _mark(
    operation: OperationRecord, reasons: Sequence[Reason], before: Stuck | None, now: float
) -> Stuck:
    return Stuck(
        operation_id=operation.id,
        stack_id=operation.stack_id,
        project_id=operation.project_id,
        since=now if before is None else before.since,
        reasons=tuple((each.kind.value, each.step, each.said) for each in reasons),
    )


def _keys(reasons: Sequence[Reason]) -> tuple[tuple[str, str], ...]:
    """What counts as the same finding: the words hold minutes, which always change."""
    return tuple((each.kind.value, str(each.step)) for each in reasons)


def _keys_of(found: Stuck) -> tuple[tuple[str, str], ...]:
    return tuple((kind, str(step)) for kind, step, _ in found.reasons)
