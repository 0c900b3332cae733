"""Calls a step's phase until it ends: waits, tries again, and makes anew what went wrong.

Nothing is kept between two calls but what the row holds: how long the phase has been waited for,
what a wait has learned, and how often a create was begun again. So whoever takes over goes on at
that very place.
"""

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import structs

from mantle.clouds.ports import Clash, CloudError
from mantle.engine.again import AGAIN, Again, again_of
from mantle.engine.deeds import Interrupted, NeedsAnother, backoff
from mantle.engine.handing_over import delegated
from mantle.engine.looking import TOLD_AFTER, Looking
from mantle.model.errors import MantleError
from mantle.resources.kit import Delegate, Done, Failed, Replace, Wait

if TYPE_CHECKING:
    from mantle.engine.resource import Drive

CLASH_RETRIES = 60
"""How often a conflicting state is waited out: a load balancer that is being changed, a port in
use until its server is gone."""

CLASH_MOST_SECONDS = 2.0
"""Between two tries of what met somebody else's change: that is over soon."""


class Waiting:
    """The calls of one step, between its intent and its end."""

    __slots__ = ("drive", "looking", "walk")

    def __init__(self, drive: "Drive") -> None:
        self.drive = drive
        self.walk = drive.walk
        self.looking = Looking(drive.walk.operation.id, drive.step.key)

    async def until_it_is_made(self) -> tuple[Done | Failed, Mapping[str, Any] | None]:
        """Until it ends; what went wrong while it was made is deleted and made again, so often.

        How often is in the row before anything is deleted: a restart goes on counting.
        """
        drive = self.drive
        limit = self.walk.machine.settings.action_retry_limit
        while True:
            again = again_of(drive.row)
            if again.clearing:
                cleared, _ = await self._until_it_ends()
                if isinstance(cleared, Failed):
                    return again.stuck(cleared), None
                await self._renoted(again.cleared(), physical_id=None, data={})
                await self._sleep_before(again)
            outcome, attributes = await self._until_it_ends()
            begun = again_of(drive.row).begun(outcome, limit)
            if begun is None or not self._may_start_over():
                return outcome, attributes
            drive.row = structs.replace(drive.row, reason=drive.told(begun.said(limit)))
            await self._renoted(
                begun,
                physical_id=outcome.physical_id or drive.row.physical_id,
                data=outcome.data,
                told=True,
            )

    def _may_start_over(self) -> bool:
        free = self.walk.cancel is None and not self.walk.interrupted
        return self.drive.makes_an_object and free

    async def _renoted(
        self,
        again: Again,
        *,
        physical_id: str | None,
        data: Mapping[str, Any] | None,
        told: bool = False,
    ) -> None:
        drive = self.drive
        noted = {**drive.noted(data), AGAIN: again.noted()}
        drive.row = structs.replace(drive.row, physical_id=physical_id, data=noted)
        events = [self.walk.machine.resource_event(drive.row)] if told else []
        await self.walk.record(drive, events)

    async def _sleep_before(self, again: Again) -> None:
        settings = self.walk.machine.settings
        first, most = settings.again_first_seconds, settings.again_most_seconds
        await self.walk.rest(backoff(first, most, again.tries, self._chance()), idle=True)
        if self.walk.lets_go:
            raise Interrupted

    def _chance(self) -> float:
        return self.walk.machine.random(1)[0] / 255

    async def _until_it_ends(self) -> tuple[Done | Failed, Mapping[str, Any] | None]:
        drive, settings = self.drive, self.walk.machine.settings
        waits = errors = 0
        last = "it was begun"
        while True:
            if self.walk.overdue(drive.row, drive.step):
                seconds = drive.step.timeout_seconds
                return Failed(
                    reason=f"{drive.step.kind} of {drive.row.name!r} did not end in time: {last}.",
                    remedy=f"Raise the timeout (now {seconds:.0f} s) or see why it waits.",
                ), None
            # Taken before the rows are read, so that a signal in between is not slept through.
            ticket = self.walk.machine.nudges.ticket(("signals", drive.row.stack_id))
            try:
                outcome, attributes = await drive.call()
            except CloudError as error:
                clashes = isinstance(error, Clash)
                if not error.retryable or (clashes and errors >= CLASH_RETRIES):
                    return Failed(reason=error.message, remedy=error.remedy), None
                errors += 1
                last = error.message
                self.looking.refused(drive.told(error.message), self.walk.now())
                await self._tell(f"try {errors + 1} follows: {error.message}", errors)
                most = CLASH_MOST_SECONDS if clashes else settings.retry_most_seconds
                pause = backoff(settings.retry_first_seconds, most, errors, self._chance())
                await self._sleep(pause, ticket)
                continue
            except MantleError as error:
                return Failed(reason=error.message, remedy=error.remedy), None
            errors = 0
            self.looking.answered()
            match outcome:
                case Done() | Failed():
                    return outcome, attributes
                case Replace():
                    raise NeedsAnother(outcome.reason)
                case Delegate():
                    ended = await delegated(drive, outcome)
                    if ended is not None:
                        return ended
                case Wait():
                    last = outcome.reason
                    waits += 1
                    await self._keep(outcome, waits)
                    asked = outcome.again_after_seconds
                    pause = (
                        min(settings.poll_first_seconds * 1.3**waits, settings.poll_most_seconds)
                        if asked is None
                        else asked
                    )
                    await self._sleep(pause, ticket, idle=outcome.idle)

    async def _tell(self, reason: str, times: int) -> None:
        """What a long wait is for is stored, so that it can be explained from outside."""
        if times < TOLD_AFTER:
            return
        drive = self.drive
        told = drive.told(reason)
        if told != drive.row.reason:
            drive.row = structs.replace(drive.row, reason=told)
            await self.walk.record(drive, [])

    async def _keep(self, wait: Wait, waits: int) -> None:
        """What a wait learned is durable before the next call."""
        drive = self.drive
        changes: dict[str, Any] = {}
        if wait.physical_id is not None and wait.physical_id != drive.row.physical_id:
            changes["physical_id"] = wait.physical_id
        data = drive.noted(wait.data)
        if data != drive.row.data:
            changes["data"] = data
        if changes:
            drive.row = structs.replace(drive.row, reason=drive.told(wait.reason), **changes)
            await self.walk.record(drive, [])
        else:
            await self._tell(wait.reason, waits)

    async def _sleep(self, seconds: float, ticket: asyncio.Event, *, idle: bool = False) -> None:
        kind = self.drive.type
        if self._no_longer(idle):
            raise Interrupted
        account = self.looking.account(self.walk.now(), seconds)
        if account is not None:
            self.walk.note(account)
        if kind.signals_from is not None or kind.hears_itself:
            await self.walk.machine.nudges.sleep(ticket, seconds)
        else:
            await self.walk.rest(seconds, idle=idle)
        if self._no_longer(idle):
            raise Interrupted

    def _no_longer(self, idle: bool) -> bool:
        return self.walk.lets_go if idle else self.walk.interrupted
