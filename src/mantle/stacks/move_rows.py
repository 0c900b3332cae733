"""The one transaction of a move: everything is as it was when it was planned, or nothing happens.

Note: an update comes in between. It is accepted after the move was drafted and before this
transaction: the stack has another source, or an operation, and the move is refused. Accepted after
this transaction, it plans from the rows and the template that the move left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from mantle.access.caller import Caller
from mantle.model.errors import Conflict
from mantle.model.event import Event
from mantle.model.graph import TemplateSource
from mantle.model.guards import StackGuard
from mantle.model.ids import ResourceId
from mantle.model.moves import MoveKind, MoveStatus, SavedMove
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.sinks import Sink
from mantle.stacks.control import Control
from mantle.stacks.create import refuse_taken
from mantle.store import events as event_rows
from mantle.store import guards as guard_rows
from mantle.store import moves as move_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import sinks as sink_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One stack of a move, before and after."""

    before: StackRecord
    after: StackRecord
    source: TemplateSource
    rows: Mapping[ResourceId, ResourceRecord]
    """Those that change, as they will be: also what they are called and whose they are."""
    fresh: bool
    """True for the stack that a split makes."""
    sinks: tuple[Sink, ...] = ()
    """Where its events go from now on, as its environment says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveDraft:
    """A move as it would be done now. The first side is the source, the last the target."""

    sides: tuple[Side, ...]
    document: Mapping[str, Any]
    prints: Mapping[str, str]
    inner: tuple[Side, ...] = ()
    """Stacks inside that change: they go along, or their parent's files or environment change."""

    @property
    def source(self) -> Side:
        """The stack they leave."""
        return self.sides[0]


async def store_move(
    control: Control,
    caller: Caller,
    saved: SavedMove,
    made: MoveDraft,
    check: Callable[[Connection], None] = lambda _: None,
) -> SavedMove:
    """Write it all, or raise `Conflict` with nothing written.

    `check` is asked in the transaction, with all that was written, whether the target holds it.
    """
    now = control.clock.now()

    def write(connection: Connection) -> None:
        if not move_rows.applied(connection, saved, now):
            raise Conflict(
                f"Move {saved.id} is being applied by someone else in this moment.",
                remedy="Look at it: mantle move show.",
                fault="PlanNotApplicable",
            )
        for side in (*made.sides, *made.inner):
            _same(connection, side)
        _rows(connection, saved, made)
        old = [_stack(connection, side, saved, made, now) for side in made.sides]
        old += [_stack_inside(connection, side, now) for side in made.inner]
        for side in (*made.sides, *made.inner):
            sink_rows.follow(connection, side.after, side.sinks, control.machine.new_id)
        if len(made.sides) > 1:
            check(connection)
        if saved.request.kind is MoveKind.SPLIT:
            _guard_too(connection, made, caller)
        event_rows.add(connection, _events(control, saved, made))
        stack_rows.let_go_of_sources(connection, old)

    await control.database.write(write)
    for side in (*made.sides, *made.inner):
        control.machine.nudges.nudge(side.after.id)
    return replace(saved, status=MoveStatus.APPLIED, applied_at=now, version=saved.version + 1)


def _same(connection: Connection, side: Side) -> None:
    """The stack is as it was read a moment ago, and at rest."""
    if side.fresh:
        refuse_taken(connection, side.after)
        return
    now = stack_rows.get(connection, side.before.id)
    if now != side.before or operation_rows.live_of_stack(connection, side.before.id):
        raise _rival(side.before.name)
    if side.after.name != side.before.name:
        refuse_taken(connection, side.after)


def _rows(connection: Connection, saved: SavedMove, made: MoveDraft) -> None:
    gone: list[tuple[ResourceRecord, ResourceRecord]] = []
    for side in (*made.sides, *made.inner):
        for row_id, after in side.rows.items():
            before = resource_rows.get(connection, row_id)
            if before is None or not move_rows.relocate(
                connection, structs.replace(before, version=after.version), after
            ):
                raise _rival(f"{after.name} of stack {side.after.name}")
            if (before.stack_id, before.name) != (after.stack_id, after.name):
                gone.append((before, after))
    move_rows.bring_along(connection, gone)
    if saved.request.kind is MoveKind.RENAME_STACK:
        move_rows.rename_plans(connection, made.source.before.id, made.source.after.name)


def _rival(what: str) -> Conflict:
    return Conflict(
        f"{what} was changed by someone else in this moment; nothing was touched.",
        remedy="Look at it, and plan the move anew.",
        fault="PlanStale",
    )


def _stack(
    connection: Connection, side: Side, saved: SavedMove, made: MoveDraft, now: float
) -> str | None:
    """Store the stack; the answer is the source it no longer needs."""
    source_id = stack_rows.add_source(connection, side.source, now)
    if side.fresh:
        stack_rows.add(connection, replace(side.after, source_id=source_id))
        return None
    reason = said(saved, made, side)
    stack_rows.save(
        connection, replace(side.after, source_id=source_id, updated_at=now, reason=reason)
    )
    return side.before.source_id if side.before.source_id != source_id else None


def _stack_inside(connection: Connection, side: Side, now: float) -> str | None:
    """Store a stack inside: whose it is and what it is made from, and nothing else."""
    source_id = stack_rows.add_source(connection, side.source, now)
    stack_rows.save(connection, replace(side.after, source_id=source_id))
    return side.before.source_id if side.before.source_id != source_id else None


def _guard_too(connection: Connection, made: MoveDraft, caller: Caller) -> None:
    """What was protected in one stack is protected in two."""
    source, target = made.sides[0].before, made.sides[-1].after
    guard = guard_rows.get(connection, source.id, source.project_id)
    if guard.protected:
        guard_rows.save(
            connection,
            StackGuard(
                stack_id=target.id,
                project_id=target.project_id,
                protected=True,
                why=guard.why,
                set_by=caller.user_name,
            ),
        )


def said(saved: SavedMove, made: MoveDraft, side: Side) -> str:
    """The stack's reason afterwards."""
    source, target = made.sides[0], made.sides[-1]
    names = ", ".join(saved.request.names)
    if len(names) > 200:
        names = f"{len(saved.request.names)} resources"
    match saved.request.kind:
        case MoveKind.RENAME_STACK:
            return f"Stack was renamed from {source.before.name}"
        case MoveKind.RENAME:
            return f"Renamed {names} to {', '.join(saved.request.names.values())}"[:500]
        case MoveKind.MOVE | MoveKind.SPLIT if side is source:
            return f"Moved {names} to stack {target.after.name}"
        case _:
            return f"Took over {names} from stack {source.before.name}"


def _events(control: Control, saved: SavedMove, made: MoveDraft) -> list[Event]:
    """One for each stack, and for each resource one where it is now."""
    found = []
    for side in made.sides:
        stack = side.after
        reason = said(saved, made, side)
        found.append(control.machine.stack_event(stack, None, stack.action, stack.status, reason))
    old = {new: name for name, new in saved.request.names.items()}
    target = made.sides[-1]
    for row in target.rows.values():
        if row.name in old and (row.name != old[row.name] or len(made.sides) > 1):
            where = f"stack {made.source.before.name}, where it was " if len(made.sides) > 1 else ""
            reason = f"Moved from {where}{old[row.name]}"
            found.append(control.machine.resource_event(structs.replace(row, reason=reason)))
    for side in made.inner:
        stack = side.after
        if stack.root_id != side.before.root_id:
            names = f"from stack {made.source.before.name} to stack {target.after.name}"
            reason = f"Stack went along {names}"
            found.append(
                control.machine.stack_event(stack, None, stack.action, stack.status, reason)
            )
    return found
