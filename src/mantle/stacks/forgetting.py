"""Deletes what snapshots kept on clouds once the snapshots are gone.

One loop in every engine. What is to be deleted is a row; it goes when the cloud says that the copy
is gone. Two engines at the same copy do no harm, as deleting what is not there is success; killed
at any moment, the next look finds the same rows.
"""

import structlog

from mantle.clouds.ports import CloudError
from mantle.lib.looping import Loop
from mantle.resources.kit import Done, Failed, Wait
from mantle.stacks.control import Control
from mantle.store import contents as content_rows
from mantle.store.contents import Content

log = structlog.get_logger()

SOON_SECONDS = 2.0
"""While a cloud is deleting."""
LATER_SECONDS = 60.0
"""After a look at which nothing was left, or only what is refused."""


class Forgetting(Loop):
    """The loop. Opened and closed with the engine."""

    name = "forgetting"

    def __init__(self, control: Control) -> None:
        self.control = control

    async def _run(self) -> None:
        nudges = self.control.machine.nudges
        while True:
            ticket = nudges.ticket("forgetting")
            try:
                under_way = await self.turn()
            except Exception:
                # A database that does not answer now does later; the loop must outlive that.
                log.exception("what is to be forgotten was not looked at")
                under_way = False
            await nudges.sleep(ticket, SOON_SECONDS if under_way else LATER_SECONDS)

    async def turn(self) -> bool:
        """Look after everything once; true while a cloud is deleting."""
        found = await self.control.database.read(content_rows.leaving)
        outcomes = [await self._forget(content) for content in found]
        return any(isinstance(outcome, Wait) for outcome in outcomes)

    async def _forget(self, content: Content) -> Done | Wait | Failed:
        outcome = await self._asked(content)
        if isinstance(outcome, Done):
            await self.control.database.write(content_rows.gone, content.token)
        elif outcome.reason != content.reason:
            log.info("a copy is not deleted yet", token=content.token, reason=outcome.reason)
            await self.control.database.write(content_rows.tell, content.token, outcome.reason)
        return outcome

    async def _asked(self, content: Content) -> Done | Wait | Failed:
        kind = self.control.registry.types.get(content.resource_type)
        cloud = self.control.machine.clouds.get(content.cloud)
        if kind is None or kind.forget is None or cloud is None:
            return Failed(reason=f"{content.resource_type} on {content.cloud} is not known here")
        try:
            session = cloud.session(content.project_id)
            return await kind.forget(session, content.token, content.kept or {})
        except CloudError as error:
            return Wait(reason=error.message) if error.retryable else Failed(reason=error.message)
