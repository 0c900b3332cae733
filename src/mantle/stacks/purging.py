"""Forgetting deleted stacks at once, before their time: what `heat-manage purge_deleted` does."""

from dataclasses import dataclass

from mantle.model.errors import MantleError
from mantle.model.ids import ProjectId
from mantle.stacks.control import Control
from mantle.store import retention


@dataclass(frozen=True, slots=True, kw_only=True)
class Purged:
    """How many stacks, nested ones too, nobody can find any more."""

    stacks: int


async def purge_deleted(
    control: Control, older_than_seconds: float, project_id: ProjectId | None = None
) -> Purged:
    """Forget stacks that were deleted so long ago, with their events, operations and plans.

    Of one project, or of all. In batches: a purge that is cut short has forgotten a part and can be
    asked for again.
    """
    if not 0 <= older_than_seconds < 1e10:
        raise MantleError(f"An age of {older_than_seconds:g} s is not possible.")
    bound = control.clock.now() - older_than_seconds
    gone = 0
    while True:
        batch = await control.database.write(retention.purge_stacks, bound, project_id)
        gone += batch
        if batch < retention.BATCH:
            break
    control.machine.nudges.nudge("forgetting")
    return Purged(stacks=gone)
