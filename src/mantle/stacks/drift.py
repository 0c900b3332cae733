"""Drift: what is found is told, ignored, accepted or corrected; and the loop that looks."""

import asyncio
from collections.abc import Sequence

import structlog

from mantle.lib.looping import Loop
from mantle.model.drift import DriftPolicy, Finding, Look
from mantle.model.errors import MantleError
from mantle.model.ids import ProjectId, StackId
from mantle.model.records import StackRecord
from mantle.stacks.accepting import accept_drift
from mantle.stacks.control import Control
from mantle.stacks.correcting import correct_drift
from mantle.stacks.drift_policies import read_policies, set_drift_policy
from mantle.stacks.drift_views import stack_drift
from mantle.stacks.observing import observe
from mantle.stacks.upkeep import upkeeper
from mantle.store import drift as drift_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

__all__ = ["Observer", "correct_drift", "list_drift", "look", "set_drift_policy"]

log = structlog.get_logger()

CORRECTIONS = 3
"""Updates to correct one stack within an hour; then drift is only told: nobody is fought."""
HOUR_SECONDS = 3600.0


async def look(control: Control, project_id: ProjectId, cloud: str) -> Look:
    """Read what is there, store what differs, handle it. Safe to repeat, and to kill."""
    sight = await observe(control, project_id, cloud)
    for stack_id in await control.database.read(_roots, sight.due.get(DriftPolicy.ACCEPT, ())):
        await _accept(control, stack_id)
    for stack_id in await control.database.read(_roots, sight.due.get(DriftPolicy.CORRECT, ())):
        await _correct(control, stack_id)
    return sight.look


async def look_at_stack(control: Control, stack: StackRecord) -> None:
    """The same wherever the stack and those inside it are."""
    tree = await control.database.read(stack_rows.below, stack)
    for project_id, cloud in sorted({(each.project_id, each.cloud) for each in tree}):
        await look(control, project_id, cloud)


def _roots(connection: Connection, stack_ids: Sequence[StackId]) -> list[StackId]:
    """The root stacks of these, each once: a correction is one update of the whole tree."""
    found = (stack_rows.get(connection, stack_id) for stack_id in stack_ids)
    return sorted({stack.root_id for stack in found if stack is not None})


async def _accept(control: Control, stack_id: StackId) -> None:
    """By the policy; what cannot be accepted is told, with why."""
    stack = await control.database.read(stack_rows.get, stack_id)
    if stack is None or stack.deleted_at is not None:
        return
    only = {DriftPolicy.ACCEPT}
    for each in await accept_drift(control, upkeeper(stack), stack, only=only, again=False):
        what = f"{each.finding.difference.resource}.{each.finding.difference.path}"
        log.info("drift: accept", stack=stack.name, what=what, refused=each.refused)


async def _correct(control: Control, stack_id: StackId) -> None:
    """By the policy: an update of what drifts, unless that was tried too often."""
    stack = await control.database.read(stack_rows.get, stack_id)
    if stack is None or stack.deleted_at is not None:
        return
    since = control.clock.now() - HOUR_SECONDS
    tried = await control.database.read(drift_rows.corrections_since, stack_id, since)
    if tried >= CORRECTIONS:
        why = f"it was corrected {tried} times within an hour; it is only told now"
        await _noted(control, stack, why)
        return
    try:
        only = {DriftPolicy.CORRECT}
        await correct_drift(control, upkeeper(stack), stack, only=only, unasked=True)
    except MantleError as error:
        await _noted(control, stack, str(error))


async def _noted(control: Control, stack: StackRecord, reason: str) -> None:
    """Why the policy could not be followed, where whoever asks will see it."""
    log.warning("drift was not corrected", stack=stack.name, reason=reason)
    await control.database.write(_note_those, stack, f"not corrected: {reason}")


def _note_those(connection: Connection, stack: StackRecord, text: str) -> None:
    ids = [each.id for each in stack_rows.below(connection, stack)]
    policies = read_policies(connection, ids)
    for each in drift_rows.open_findings(connection, ids):
        where = each.difference
        if policies.of(where.stack_id, where.resource) is DriftPolicy.CORRECT:
            drift_rows.note(connection, each.sequence, text)


# --- looking ---------------------------------------------------------------------------------


async def list_drift(
    control: Control, stack: StackRecord, *, ended: bool = False
) -> tuple[list[Finding], Look]:
    """What differs now in a stack and those inside it, or the whole history; and its age."""
    views, seen = await stack_drift(control, stack, ended=ended)
    return [view.finding for view in views], seen


class Observer(Loop):
    """The loop that looks. Opened and closed with the engine; of several engines, one looks."""

    name = "drift"

    def __init__(self, control: Control) -> None:
        self.control = control

    async def open(self) -> None:
        """Begin."""
        if self.control.settings.drift_seconds > 0:
            await super().open()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.control.settings.drift_seconds / 4)
            await self._safely()

    async def _safely(self) -> None:
        try:
            await self.turn()
        except Exception:
            # The observer's one loop, as the engine's: a defect must not end it for good.
            log.exception("looking for drift failed by a defect of Mantle")

    async def turn(self) -> None:
        """Look wherever it is due; what one place refuses does not hold up the others."""
        control = self.control
        for project_id, cloud in await control.database.read(drift_rows.places):
            if cloud not in control.clouds or not await control.database.write(
                self._due, project_id, cloud
            ):
                continue
            try:
                await look(control, project_id, cloud)
            except MantleError as error:
                log.warning("looking for drift was refused", cloud=cloud, reason=str(error))

    def _due(self, connection: Connection, project_id: ProjectId, cloud: str) -> bool:
        now = self.control.database.time(connection, self.control.clock.now())
        interval = self.control.settings.drift_seconds
        return drift_rows.claim(connection, project_id, cloud, now, interval)
