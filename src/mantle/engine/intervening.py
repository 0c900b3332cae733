"""Does what people ask of the steps of an operation while it is performed.

Each request is a row. It is done and settled in one transaction behind the operation's fence, so
that an engine that dies in between leaves it open for the next one, which does it again from the
same rows. A step under way is stopped as if its process were killed; that is always safe, as the
row holds the token by which whatever the cloud was asked for is found again.

Note: too late. A person asks for a step to be skipped; before the engine reads that, the step ends.
The answer is then the same as if it had been asked now: refused, with the reason, in the row.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from msgspec import structs

from mantle.engine.again import AGAIN, again_of
from mantle.engine.deeds import ACTIONS, Ended, entry_of
from mantle.engine.resource import Drive
from mantle.engine.shelter import is_container
from mantle.model.interventions import WHOLE, Intervention, Verb
from mantle.model.plan import Step
from mantle.model.records import ResourceRecord
from mantle.model.status import Status
from mantle.plan.interventions import Stage, StepState, refusal, spared, told
from mantle.store import hooks as hook_rows
from mantle.store import interventions as intervention_rows
from mantle.store.database import Connection

if TYPE_CHECKING:
    from mantle.engine.walk import Walk


class Intervening:
    """What is asked of one walk."""

    def __init__(self, walk: "Walk") -> None:
        self._walk = walk

    async def honour(self, asked: Intervention) -> None:
        """Do it, or say why not; durable when this returns."""
        walk = self._walk
        if asked.step == WHOLE:
            await self._whole(asked)
            return
        step = walk.step_of(asked.step)
        if step is None or asked.plan_id != walk.plan.id:
            await self._settle(asked, None, "came too late: the operation has another plan now")
            return
        no = refusal(
            Stage.LIVE,
            asked.verb,
            self._state(step),
            carry_on=asked.carry_on,
            binds=walk.plan.binds,
        )
        if no is None and not await walk.stopped(step):
            no = refusal(Stage.LIVE, asked.verb, self._state(step), carry_on=asked.carry_on)
        if no is not None:
            await self._settle(asked, step, f"came too late: {no.reason}")
            return
        match asked.verb:
            case Verb.RETRY:
                await self._retry(asked, step)
            case Verb.SKIP:
                await self._skip(asked, step)
            case Verb.CANCEL:
                await self._cancel(asked, step)
            case Verb.TAKE_OVER:
                await self._settle(asked, step, "taken over", honoured=True)

    def _state(self, step: Step) -> StepState:
        """A step whose deed is done is done, also while a hook holds what is behind it."""
        row = self._walk.rows.get(step.resource_id)
        if row is not None and self._ours(row, step) and row.status is Status.COMPLETE:
            return StepState.DONE
        return self._walk.state_of(step)

    async def _retry(self, asked: Intervention, step: Step) -> None:
        walk = self._walk
        row = walk.rows.get(step.resource_id)
        if row is not None and is_container(walk.machine, row):
            await walk.machine.delegates.retry(walk.operation.id, step.key, walk.plan.id)
        said = f"begun again, asked for by {asked.by}"
        fresh = None if row is None else begun_again(row, walk.now(), said)
        await self._settle(
            asked,
            step,
            said,
            honoured=True,
            row=fresh if row is not None and self._ours(row, step) else None,
        )
        walk.begin_again(step)

    async def _skip(self, asked: Intervention, step: Step) -> None:
        walk = self._walk
        await self._stop_inside(step, told(asked))
        without = spared(walk.plan, {**walk.skipped, step.key: told(asked)})
        new = {key: why for key, why in without.items() if key not in walk.skipped}
        resources = {each.resource for key in new if (each := walk.step_of(key)) is not None}
        with_it = [key for key in new if key != step.key]
        said = told(asked) + (f"; with it {', '.join(map(repr, with_it))}" if with_it else "")
        await self._settle(
            asked,
            step,
            said,
            honoured=True,
            row=self._ended_row(step, told(asked)),
            resources=resources,
        )
        walk.leave_out(new)
        walk.settle(step, Ended())

    async def _cancel(self, asked: Intervention, step: Step) -> None:
        walk = self._walk
        said = told(asked)
        if walk.state_of(step) is StepState.FAILED:
            await self._settle(asked, step, "its failure keeps no other back", honoured=True)
        else:
            await self._stop_inside(step, said)
            row = self._ended_row(step, said)
            await self._settle(asked, step, said, honoured=True, row=row)
            walk.cancelled[step.key] = said
            walk.settle(step, Ended(said))
        if asked.carry_on:
            walk.tolerated.add(step.key)

    async def _whole(self, asked: Intervention) -> None:
        """The flag on the operation's row stops it; with `now` the steps under way stop, too."""
        walk = self._walk
        rows: list[ResourceRecord] = []
        said = told(asked)
        if asked.now:
            for step in list(walk.running.values()):
                if self._state(step) is StepState.DONE or not await walk.stopped(step):
                    continue
                await self._stop_inside(step, said)
                row = self._ended_row(step, said)
                if row is not None:
                    rows.append(row)
                walk.cancelled[step.key] = said
                walk.settle(step, Ended(said))
        await self._settle(asked, None, said, honoured=True, rows=rows)

    async def _stop_inside(self, step: Step, why: str) -> None:
        """What a stack inside does for this step ends as well, and what it waited for."""
        walk = self._walk
        row = walk.rows.get(step.resource_id)
        if row is not None and self._ours(row, step) and row.status is Status.IN_PROGRESS:
            await Drive(walk, step).break_off()
        if row is not None and is_container(walk.machine, row):
            await walk.machine.delegates.stop(walk.operation.id, step.key, walk.plan.id, why)

    # --- rows --------------------------------------------------------------------------------

    def _ours(self, row: ResourceRecord, step: Step) -> bool:
        """Whether this plan's step has begun with the row."""
        return row.plan_id == self._walk.plan.id and row.action is ACTIONS.get(step.kind)

    def _ended_row(self, step: Step, said: str) -> ResourceRecord | None:
        """The row of a step that was begun, as failed; one that was not begun is left as it is."""
        row = self._walk.rows.get(step.resource_id)
        if row is None or not self._ours(row, step) or row.status is Status.COMPLETE:
            return None
        return given_up(row, self._walk.now(), said)

    async def _settle(
        self,
        asked: Intervention,
        step: Step | None,
        said: str,
        *,
        honoured: bool = False,
        row: ResourceRecord | None = None,
        rows: Iterable[ResourceRecord] = (),
        resources: Iterable[str] = (),
    ) -> None:
        walk = self._walk
        changed = [*rows] if row is None else [row]
        entry = entry_of(walk)
        for each in changed:
            walk.rows[each.id] = each
            entry.resources.append(each)
            entry.events.append(walk.machine.resource_event(each))
        if honoured and step is not None and not changed:
            there = walk.rows.get(step.resource_id)
            if there is not None:
                shown = structs.replace(there, reason=said, operation_id=walk.operation.id)
                entry.events.append(walk.machine.resource_event(shown))
        now, left = walk.now(), sorted(resources)

        def also(connection: Connection) -> None:
            intervention_rows.settle(
                connection, asked.id, now, said, honoured=honoured, resources=left
            )
            if step is not None and honoured:
                hook_rows.leave(connection, walk.operation.id, step.resource)

        entry.also = also
        await walk.write(entry)


def given_up(row: ResourceRecord, now: float, said: str) -> ResourceRecord:
    """The row of a step that somebody stopped or skipped: failed, and what is known is kept.

    Its object may be there, whole or in part: token and physical id lead to it.
    """
    was = f" It was: {row.reason}" if row.reason and row.reason != "state changed" else ""
    data = {key: value for key, value in row.data.items() if key != AGAIN}
    return structs.replace(
        row, status=Status.FAILED, reason=f"{said}.{was}", updated_at=now, data=data
    )


def begun_again(row: ResourceRecord, now: float, said: str) -> ResourceRecord:
    """The row of a step that is begun anew, with all its time and all its tries before it."""
    data = dict(row.data)
    if AGAIN in data:
        data[AGAIN] = replace(again_of(row), tries=0).noted()
    return structs.replace(
        row,
        status=Status.IN_PROGRESS,
        reason=said,
        started_at=now,
        updated_at=now,
        data=data,
    )
