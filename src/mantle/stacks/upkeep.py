"""Upkeep: what Mantle does for stacks by itself, whatever else goes on.

One loop in every engine. It reads what is due, and whatever it begins is written with the version
it was read with: of several engines that see the same thing due, one acts. Killed at any moment, it
finds the same things due again.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import TypeVar

import structlog

from mantle.access.caller import Caller
from mantle.lib.looping import Loop
from mantle.model.errors import MantleError
from mantle.model.guards import StackGuard
from mantle.model.ids import UserId
from mantle.model.records import StackRecord
from mantle.plan.lifetime import End, Nothing, Warn, due, spoken
from mantle.stacks.control import Control
from mantle.stacks.delete import delete_stack
from mantle.stacks.waves import KEPT_SECONDS, carry_on
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import guards as guard_rows
from mantle.store import marks, retention
from mantle.store import moves as move_rows
from mantle.store import saved_plans as saved_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

log = structlog.get_logger()

T = TypeVar("T")

LONGEST_SLEEP_SECONDS = 15.0
"""What another engine wrote is seen after so long at the latest."""

SHORTEST_SLEEP_SECONDS = 0.05

AGAIN_SECONDS = 3600.0
"""After a stack's end was refused, it is tried again this much later."""


TIDY_SECONDS = 3600.0


class Upkeep(Loop):
    """The loop. Opened and closed with the engine."""

    name = "upkeep"

    def __init__(self, control: Control) -> None:
        self.control = control
        self._tidy_at = control.clock.now() + TIDY_SECONDS

    async def _run(self) -> None:
        nudges = self.control.machine.nudges
        while True:
            ticket = nudges.ticket("upkeep")
            latest = self.control.clock.now() + LONGEST_SLEEP_SECONDS
            wake_at = min(latest, await self.turn())
            await nudges.sleep(ticket, max(0.0, wake_at - self.control.clock.now()))
            # Every operation's end nudges; a thousand ends in a second are one look.
            await asyncio.sleep(SHORTEST_SLEEP_SECONDS)

    async def turn(self) -> float:
        """Do all that is due; the answer is when something will be due next."""
        await self._safely(self._tidied())
        next_at = [self._tidy_at]
        for deed in (self._lives, self._plans):
            moment = await self._safely(deed())
            next_at.append(self.control.clock.now() + 1.0 if moment is None else moment)
        return min(next_at)

    async def _plans(self) -> float:
        return await carry_on(self.control, self._safely)

    async def _safely(self, deed: Awaitable[T]) -> T | None:
        """One deed; None when it was refused or failed. No stack or plan holds up the others."""
        try:
            return await deed
        except MantleError as error:
            log.warning("upkeep was refused", reason=str(error))
        except Exception:
            # Upkeep's one loop, as the engine's: a defect must not end it for good.
            log.exception("upkeep failed by a defect of Mantle")
        return None

    async def _tidied(self) -> None:
        """Now and then, what is long over is forgotten."""
        now = self.control.clock.now()
        if now >= self._tidy_at:
            self._tidy_at = now + TIDY_SECONDS
            await self.control.database.write(saved_rows.purge, now - KEPT_SECONDS)
            await self.control.database.write(move_rows.purge, now - KEPT_SECONDS)
            await self.control.database.write_fenced(marks.purge, now)
            await self.forget(now)

    async def forget(self, now: float) -> None:
        """Events, plans, operations, deleted stacks and engines beyond their time, in batches."""
        settings, write = self.control.settings, self.control.database.write
        for purge, bound in (
            (retention.purge_stacks, now - settings.deleted_stacks_kept_seconds),
            (retention.purge_plans, now - settings.plans_kept_seconds),
            (retention.purge_operations, now - settings.operations_kept_seconds),
            (retention.purge_engines, now - settings.operations_kept_seconds),
        ):
            while await write(purge, bound) >= retention.BATCH:
                pass
        before = now - settings.drift_history_seconds
        while await write(drift_rows.purge_history, before, retention.BATCH) >= retention.BATCH:
            pass
        await write(retention.purge_sources, now)
        await write(retention.purge_events, settings.events_per_stack)

    # --- the ends of stacks ------------------------------------------------------------------

    async def _lives(self) -> float:
        next_at = float("inf")
        now = self.control.clock.now()
        for guard in await self.control.database.read(guard_rows.ending):
            match due(guard, now):
                case Nothing(at=at):
                    next_at = min(next_at, at)
                case Warn(leads=leads, left=left):
                    await self._safely(self._warn(guard, leads, left))
                    next_at = min(next_at, now + 1.0)
                case End():
                    await self._safely(self._end(guard))
                    next_at = min(next_at, now + 1.0)
        return next_at

    async def _warn(self, guard: StackGuard, leads: tuple[float, ...], left: float) -> None:
        said = (
            f"Stack is to be deleted in {spoken(left)}. To keep it longer: "
            f"mantle stack ttl {{name}} 8h, or mantle stack ttl {{name}} --never"
        )
        if guard.protected:
            said = f"Stack's time is over in {spoken(left)}; it is protected and will stay"
        await self._write(replace(guard, warned=leads), said)

    async def _end(self, guard: StackGuard) -> None:
        """Delete the stack as anybody would; what forbids that is told, and tried again later."""
        stack = await self.control.database.read(stack_rows.get, guard.stack_id)
        if stack is None or stack.deleted_at is not None:
            await self.control.database.write(guard_rows.drop, guard.stack_id)
            return
        later = replace(guard, quiet_until=self.control.clock.now() + AGAIN_SECONDS)
        if guard.protected:
            await self._write(later, "Stack's time is over, but it is protected from deletion")
            return
        try:
            await delete_stack(self.control, upkeeper(stack), stack)
        except MantleError as error:
            await self._write(later, f"Stack's time is over, but it cannot be deleted: {error}")
            return
        # Asked for again before it is gone, a deletion answers the one under way.
        await self._write(later, "Stack's time is over: it is being deleted")

    async def _write(self, guard: StackGuard, said: str) -> bool:
        machine = self.control.machine

        def write(connection: Connection) -> StackRecord | None:
            stack = stack_rows.get(connection, guard.stack_id)
            if stack is None or not guard_rows.save(connection, guard):
                return None
            text = said.replace("{name}", stack.name)
            event = machine.stack_event(stack, None, stack.action, stack.status, text)
            event_rows.add(connection, [event])
            return stack

        stack = await self.control.database.write(write)
        if stack is not None:
            machine.nudges.nudge(stack.id)
        return stack is not None


def upkeeper(stack: StackRecord) -> Caller:
    """Mantle itself, acting in the stack's project without any role."""
    return Caller(
        user_id=UserId(""),
        user_name="mantle",
        project_id=stack.project_id,
        project_name="",
        roles=frozenset(),
        request_id="upkeep",
    )
