"""Move, split, rename: resources change their stack or their name, as one transaction.

A move is planned, shown and kept like a plan that binds. Applying it computes it again, compares
what it is made of, and refuses, naming what has changed; what others do elsewhere in the two stacks
does not spoil it. Then rows and both templates are written together, and nothing on the cloud is
touched: it knows its objects by the rows' tokens, which stay.

Note: what is proven before. Both stacks are planned as they will be, with their new templates and
their new rows. Unless both plans are empty, the move is refused.
"""

from collections.abc import Sequence
from dataclasses import replace

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, Denied, Invalid, MantleError, NotFound
from mantle.model.ids import ProjectId, StackId
from mantle.model.moves import MoveKind, MoveRequest, MoveStatus, SavedMove
from mantle.plan.moving import moved_since
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.move_draft import drafted
from mantle.stacks.move_inside import refuse_too_many
from mantle.stacks.move_rows import store_move
from mantle.store import moves as move_rows
from mantle.store.database import Connection

MOST_MOVES = 500
"""Moves of one project that are kept."""


async def plan_move(control: Control, caller: Caller, request: MoveRequest) -> SavedMove:
    """Plan it and keep the plan; changes nothing else.

    Raises `Invalid` with every place that cannot be carried, `Conflict` when a stack is busy or a
    name taken.
    """
    new_stack = StackId(control.new_id()) if request.kind is MoveKind.SPLIT else None
    made = await drafted(control, caller, request, new_stack)
    now = control.clock.now()
    saved = SavedMove(
        id=control.new_id(),
        project_id=caller.project_id,
        request=request,
        source_name=made.source.before.name,
        target_name=made.document["target"],
        document=made.document,
        prints=made.prints,
        new_stack_id=new_stack,
        made_by=asker_of(caller),
        made_at=now,
        expires_at=now + control.settings.plan_lifetime_seconds,
    )

    def write(connection: Connection) -> None:
        if move_rows.count(connection, caller.project_id) >= MOST_MOVES:
            raise MantleError(
                f"The project keeps {MOST_MOVES} moves already.",
                remedy="Delete some: mantle move list, mantle move delete.",
                fault="RequestLimitExceeded",
            )
        move_rows.add(connection, saved)

    await control.database.write(write)
    return saved


async def apply_move(control: Control, caller: Caller, move_id: str) -> SavedMove:
    """Do it, in one transaction, or refuse with nothing touched."""
    saved = await find_move(control, caller.project_id, move_id)
    if saved.status is not MoveStatus.OPEN:
        expired = saved.status is MoveStatus.EXPIRED
        raise Conflict(
            f"Move {saved.id} {'has expired' if expired else 'was applied already'}.",
            remedy="Plan it anew.",
            fault="PlanExpired" if expired else "PlanNotApplicable",
        )
    try:
        made = await drafted(control, caller, saved.request, saved.new_stack_id)
    except NotFound as error:
        raise _stale(saved, [str(error)]) from error
    except Denied:
        raise
    except Invalid as error:
        # It was fit to be done when it was planned: what speaks against it now has changed since.
        raise _stale(saved, [problem.message for problem in error.problems]) from error
    changed = moved_since(saved.prints, made.prints)
    if changed:
        raise _stale(saved, changed)
    target = made.sides[-1].after

    def check(connection: Connection) -> None:
        refuse_too_many(connection, control, target, 0)

    return await store_move(control, caller, saved, made, check)


def _stale(saved: SavedMove, changed: Sequence[str]) -> Conflict:
    return Conflict(
        f"Move {saved.id} does not fit any more, nothing was touched; since it was planned this "
        f"has changed: {'; '.join(changed[:20])}.",
        remedy="Plan it anew.",
        fault="PlanStale",
    )


async def find_move(control: Control, project_id: ProjectId, move_id: str) -> SavedMove:
    """A move of the project; one of another project is equally absent."""
    saved = await control.database.read(move_rows.get, move_id)
    if saved is None or saved.project_id != project_id:
        raise NotFound(f"The Move ({move_id[:200]}) could not be found.")
    return _as_of(saved, control.clock.now())


async def list_moves(control: Control, project_id: ProjectId) -> list[SavedMove]:
    """The newest fifty, newest first."""
    now = control.clock.now()
    found = await control.database.read(move_rows.listing, project_id)
    return [_as_of(saved, now) for saved in found]


async def delete_move(control: Control, project_id: ProjectId, move_id: str) -> None:
    """Forget it; what it has done stays done."""
    saved = await find_move(control, project_id, move_id)
    await control.database.write(move_rows.remove, saved.id)


def _as_of(saved: SavedMove, now: float) -> SavedMove:
    over = saved.status is MoveStatus.OPEN and now >= saved.expires_at
    return replace(saved, status=MoveStatus.EXPIRED) if over else saved
