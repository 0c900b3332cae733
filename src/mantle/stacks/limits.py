"""What a project may have of everything, what it has, and who has said so.

The usual limits are settings of the control plane; an administrator can set another one for a
project. -1 is no limit. As in Heat, limits of numbers do not bind administrators; deleting,
cancelling and what Mantle does by itself is never refused for a limit, as it frees something.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mantle.access.caller import Caller
from mantle.engine.settings import Settings
from mantle.model.errors import LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId
from mantle.model.records import OperationRecord
from mantle.model.status import Action
from mantle.stacks.control import Control
from mantle.store import limits as limit_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.limits import ProjectLimit

MOST = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One thing that is limited."""

    what: str
    usual: Callable[[Settings], int]
    used: Callable[[Connection, ProjectId], int]


KINDS: Mapping[str, Kind] = {
    "stacks": Kind(
        what="stacks, without those nested in others",
        usual=lambda settings: settings.stacks_per_project,
        used=stack_rows.count_live,
    ),
    "operations": Kind(
        what="operations that have not ended, without those inside others",
        usual=lambda settings: settings.operations_per_project,
        used=limit_rows.live_operations,
    ),
    "resources_per_stack": Kind(
        what="resources of one stack, with all that is nested in it (used: the largest)",
        usual=lambda settings: settings.resources_per_stack,
        used=limit_rows.largest_tree,
    ),
    "snapshots_per_stack": Kind(
        what="snapshots of one stack (used: the one with most)",
        usual=lambda settings: settings.snapshots_per_stack,
        used=limit_rows.most_snapshots,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit as a project has it."""

    name: str
    what: str
    value: int
    used: int
    usual: int
    """What projects have for which nothing is set."""
    set_by: str = ""


async def list_limits(control: Control, project_id: ProjectId) -> list[Limit]:
    """All limits of a project, and how much of each is used."""

    def read(connection: Connection) -> list[Limit]:
        own = limit_rows.of_project(connection, project_id)
        return [
            Limit(
                name=name,
                what=kind.what,
                value=own[name].value if name in own else kind.usual(control.settings),
                used=kind.used(connection, project_id),
                usual=kind.usual(control.settings),
                set_by=own[name].set_by if name in own else "",
            )
            for name, kind in KINDS.items()
        ]

    return await control.database.read(read)


async def set_limit(
    control: Control, caller: Caller, project_id: ProjectId, name: str, value: int
) -> None:
    """Set a project's limit; what it has already beyond that stays."""
    _known(name)
    if not -1 <= value <= MOST:
        raise MantleError(f"A limit lies between -1 (none) and {MOST}; it is {value}.")
    limit = ProjectLimit(
        name=name, value=value, set_by=caller.user_name, set_at=control.clock.now()
    )
    await control.database.write(limit_rows.put, project_id, limit)


async def unset_limit(control: Control, project_id: ProjectId, name: str) -> None:
    """Back to the usual limit."""
    _known(name)
    if not await control.database.write(limit_rows.drop, project_id, name):
        raise NotFound(
            f"The limit {name!r} of project {project_id} is the usual one already.",
            remedy="See `mantle project limits`.",
        )


def _known(name: str) -> None:
    if name not in KINDS:
        raise NotFound(
            f"There is no limit {name[:64]!r}.", remedy=f"There are: {', '.join(KINDS)}."
        )


def limit_of(connection: Connection, settings: Settings, project_id: ProjectId, name: str) -> int:
    """What the project may have of this."""
    return limit_rows.value_of(connection, project_id, name, KINDS[name].usual(settings))


def refuse_many(connection: Connection, settings: Settings, operation: OperationRecord) -> None:
    """Raise `LimitExceeded` when the project has as many operations under way as it may.

    In the transaction that stores the operation, so that requests at once count each other.
    """
    freeing = operation.action is Action.DELETE
    asker = operation.requester
    if freeing or operation.parent_id is not None or "admin" in asker.roles or not asker.user_id:
        return
    limit = limit_of(connection, settings, operation.project_id, "operations")
    if limit < 0:
        return  # what is not counted meets nobody else's operations
    there = limit_rows.live_operations(connection, operation.project_id)
    if limit <= there:
        raise LimitExceeded(
            f"The project has {there} operations under way; {limit} are allowed at once.",
            remedy="Wait for one to end or cancel one (mantle operation list), or ask whoever "
            "runs Mantle to raise the limit `operations`.",
        )
