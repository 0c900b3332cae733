"""Move, split, rename: resources change their stack or their name, as one transaction.

A move is planned, shown and kept like a plan that binds. Applying it computes it again, compares
what it is made of, and refuses, naming what has changed; what others do elsewhere in the two stacks
does not spoil it. Then rows and both templates are written together, and nothing on the cloud is
touched: it knows its objects by the rows' tokens, which stay.

Note: what is proven before. Both stacks are planned as they will be, with their new templates and
their new rows. Unless both plans are empty, the move is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.engine.finish import outputs_of
from mantle.engine.operation import RowLookup, load, reference_of
from mantle.engine.resource import name_hint
from mantle.engine.shelter import is_container
from mantle.model.errors import (
    Conflict,
    Findings,
    Invalid,
    MantleError,
    NotFound,
    NotSupported,
    Problem,
)
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, ResourceId, StackId
from mantle.model.moves import MoveKind, MoveRequest, MoveStatus, SavedMove
from mantle.model.plan import Step
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.status import Action, Status
from mantle.model.values import walk
from mantle.plan.adoption import NAMED
from mantle.plan.moving import document_of, moved_since, prints_of
from mantle.plan.moving_rules import Mover
from mantle.stacks.accept import asker_of, check_size
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, draft, refuse_taken
from mantle.stacks.create import check_room as check_room_for_one
from mantle.stacks.move_inside import (
    Inner,
    check_room,
    count_inside,
    fitted,
    look_inside,
    prints_inside,
    refuse_known,
    refuse_too_many,
    rehoused,
    shown,
    stays_known,
    steps_left,
    templates_of,
)
from mantle.stacks.move_rows import MoveDraft, Side, store_move
from mantle.stacks.move_rules import ask_rules
from mantle.stacks.names import check_name
from mantle.stacks.queries import load_stack
from mantle.store import guards as guard_rows
from mantle.store import moves as move_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.rewrite.cut import Cut, Cutting, fixed_name, refuse_cfn
from mantle.template.rewrite.side import Side as Text
from mantle.template.rewrite.side import empty_side
from mantle.template.validate import Loaded

AGENT = "os_collect_config"
"""The attribute of a server that says where the agent in it asks."""

MOST_MOVES = 500
"""Moves of one project that are kept."""


async def plan_move(control: Control, caller: Caller, request: MoveRequest) -> SavedMove:
    """Plan it and keep the plan; changes nothing else.

    Raises `Invalid` with every place that cannot be carried, `Conflict` when a stack is busy or a
    name taken.
    """
    new_stack = StackId(control.new_id()) if request.kind is MoveKind.SPLIT else None
    made = await _draft(control, caller, request, new_stack)
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
        made = await _draft(control, caller, saved.request, saved.new_stack_id)
    except NotFound as error:
        raise _stale(saved, [str(error)]) from error
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


# --- the move as it would be done now --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stack:
    """A stack as it is."""

    record: StackRecord
    loaded: Loaded
    rows: Sequence[ResourceRecord]


async def _draft(
    control: Control, caller: Caller, request: MoveRequest, new_stack: StackId | None
) -> MoveDraft:
    source = await _there(control, caller.project_id, request.source_id)
    await _check_new_name(control, source, request)
    if request.kind is MoveKind.RENAME_STACK:
        return await _renamed_stack(control, caller, source, request)
    target = await _target(control, caller, source, request, new_stack)
    going = _going(control, source, request)
    inside = [] if request.kind is MoveKind.RENAME else await look_inside(control, going)
    if target is not None:
        refuse_known(control, source.record.root_id, inside)
        await check_room(control, target.record, len(going) + count_inside(inside))
    text = Text(source.record.name, source.loaded)
    other = text
    if request.kind is MoveKind.SPLIT:
        other = empty_side(request.name, text)
    elif target is not None and request.kind is MoveKind.MOVE:
        other = Text(target.record.name, target.loaded)
    cut = Cutting(
        names=request.names,
        answers=_lookup(control, source),
        source=text,
        target=other,
        inside=templates_of(inside),
    ).done()
    sides, inner = await _sides(control, source, target, cut, going, request)
    movers = _movers(source.record, sides[-1].after, going, inside, inner, request)
    warned = await ask_rules(control, source.record, source.loaded, movers, asker_of(caller))
    texts = [each.source for each in sides]
    notes = [*warned, *await _notes(control, source, target, request, texts)]
    return _made(control, request, source, sides, going, cut, notes, inner=inner, inside=inside)


def _movers(
    source: StackRecord,
    target: StackRecord,
    going: Sequence[ResourceRecord],
    inside: Sequence[Inner],
    inner: Sequence[Side],
    request: MoveRequest,
) -> list[Mover]:
    """Everything that rules are asked about: what goes, and what is inside it."""
    found = [
        Mover(
            row=row,
            new_name=request.names.get(row.name, row.name),
            way=row.name,
            before=source,
            after=target,
        )
        for row in going
    ]
    later = {side.before.id: side.after for side in inner}
    for each in inside:
        found += [
            Mover(
                row=row,
                new_name=row.name,
                way=f"{each.way}/{row.name}",
                before=each.record,
                after=later.get(each.record.id, each.record),
            )
            for row in each.rows
        ]
    return found


def _made(
    control: Control,
    request: MoveRequest,
    source: _Stack,
    sides: Sequence[Side],
    going: Sequence[ResourceRecord],
    cut: Cut,
    notes: Sequence[str],
    *,
    inner: Sequence[Side] = (),
    inside: Sequence[Inner] = (),
) -> MoveDraft:
    key = control.machine.links.key
    named = [(row, request.names[row.name]) for row in going]
    name = source.record.name
    target = sides[-1].after.name
    return MoveDraft(
        sides=tuple(sides),
        document=document_of(request, name, target, named, cut, notes, shown(inside)),
        prints={**prints_of(request, name, named, cut, key), **prints_inside(inside, key)},
        inner=tuple(inner),
    )


async def _there(control: Control, project_id: ProjectId, stack_id: StackId) -> _Stack:
    """A stack that is at rest; raises `Conflict` or `NotSupported` when it is not."""

    def look(connection: Connection) -> tuple[StackRecord | None, list[ResourceRecord], bool]:
        stack = stack_rows.get(connection, stack_id)
        if stack is None:
            return None, [], False
        rows = resource_rows.of_stack(connection, stack_id)
        return stack, rows, bool(operation_rows.live_of_stack(connection, stack_id))

    stack, rows, busy = await control.database.read(look)
    if stack is None or stack.project_id != project_id or stack.deleted_at is not None:
        raise NotFound(f"The Stack ({stack_id}) could not be found.")
    if stack.parent_id is not None:
        raise NotSupported(
            f"Stack {stack.name!r} is part of another; its resources are that one's affair.",
            remedy="Change the root stack's template instead.",
        )
    if busy or stack.status is Status.IN_PROGRESS:
        raise Conflict(
            f"Stack {stack.name} already has an action ({stack.action}) in progress.",
            remedy="Wait for its end, or cancel it.",
        )
    if stack.status is not Status.COMPLETE or stack.action in {Action.SUSPEND, Action.DELETE}:
        raise NotSupported(
            f"Stack {stack.name!r} is {stack.state}; only what is whole can be moved.",
            remedy="Resume it." if stack.action is Action.SUSPEND else "Update it first.",
        )
    loaded = await load_stack(control, stack)
    refuse_cfn(stack.name, loaded)
    return _Stack(stack, loaded, rows)


async def _target(
    control: Control,
    caller: Caller,
    source: _Stack,
    request: MoveRequest,
    new_stack: StackId | None,
) -> _Stack | None:
    """The stack they go to; None within one stack."""
    if request.kind is MoveKind.RENAME:
        return None
    if request.kind is MoveKind.SPLIT:
        assert new_stack is not None, "a split's stack has its id from the beginning"
        return await _fresh(control, caller, source, request, new_stack)
    assert request.target_id is not None, "a move names its target"
    if request.target_id == request.source_id:
        raise MantleError(
            "Source and target are the same stack.",
            remedy="To rename a resource: mantle stack rename-resource.",
        )
    target = await _there(control, caller.project_id, request.target_id)
    if target.record.cloud != source.record.cloud:
        raise NotSupported(
            f"Stack {source.record.name!r} is on cloud {source.record.cloud!r}, stack "
            f"{target.record.name!r} on {target.record.cloud!r}.",
            remedy="What is on one cloud stays there: choose a stack on the same.",
        )
    guards = [
        await control.database.read(guard_rows.get, each.record.id, caller.project_id)
        for each in (source, target)
    ]
    if guards[0].protected and not guards[1].protected:
        raise NotSupported(
            f"Stack {source.record.name!r} is protected from deletion and stack "
            f"{target.record.name!r} is not.",
            remedy="Protect the target as well, or take the source's protection back first.",
        )
    return target


async def _fresh(
    control: Control, caller: Caller, source: _Stack, request: MoveRequest, new_stack: StackId
) -> _Stack:
    """The stack that a split makes: the source's settings under another name."""
    like = source.record
    wanted = CreateRequest(
        name=request.name,
        source=source.loaded.source,
        disable_rollback=like.disable_rollback,
        timeout_minutes=like.timeout_minutes,
        tags=like.tags,
        cloud=like.cloud,
    )
    stack = replace(draft(control, caller, wanted), id=new_stack, root_id=new_stack)
    await check_room_for_one(control, caller, stack)
    made = replace(stack, status=Status.COMPLETE, reason=f"Split from stack {like.name}")
    return _Stack(made, source.loaded, ())


def _going(control: Control, source: _Stack, request: MoveRequest) -> list[ResourceRecord]:
    """The rows that go; raises with every one that cannot."""
    findings = Findings()
    found = []
    if not request.names:
        raise MantleError("No resource is named.", remedy="Name those that are to go.")
    for name in request.names:
        rows = [row for row in source.rows if row.name == name]
        if not rows:
            declared = name in source.loaded.graph.resources
            why = "was never made" if declared else "is not in the stack"
            findings.add("move", f"Resource {name!r} {why}.", ("resources", name))
            continue
        row = rows[-1]
        if len(rows) > 1 or row.status is not Status.COMPLETE:
            why = "is being replaced" if len(rows) > 1 else f"is {row.state}"
            findings.add(
                "move", f"Resource {name!r} {why}.", ("resources", name), remedy="Update the stack."
            )
        elif _is_known_by(row, source.record):
            findings.problems.append(_stays(row, "its stack and name"))
        elif request.kind is not MoveKind.RENAME and not is_container(control.machine, row):
            known = stays_known(control, source.record.root_id, name, row)
            findings.problems.extend([known] if known else [])
        found.append(row)
    findings.raise_if_any()
    return found


def _stays(row: ResourceRecord, what: str) -> Problem:
    return Problem(
        code="move",
        message=f"Resource {row.name!r} ({row.type}) has given out an address or account with "
        f"{what} in it: whoever has it could no longer reach it.",
        path=("resources", row.name),
        remedy="Use a transport without: CFN_SIGNAL for signals, POLL_TEMP_URL for a server.",
    )


def _is_known_by(row: ResourceRecord, stack: StackRecord) -> bool:
    """Whether somebody reaches the resource by its stack and name; a signed URL is none such."""
    agent = row.attributes.get(AGENT) or {}
    return bool({"cfn", "heat"} & set(agent)) or any(
        isinstance(text, str) and stack.id in text and "Signature=" not in text
        for text in walk(dict(row.attributes))
    )


def _lookup(control: Control, stack: _Stack) -> RowLookup:
    rows = {row.name: row for row in stack.rows if row.replaced_by is None}
    return RowLookup(rows, reference_of(control.registry, stack.record))


async def _check_new_name(control: Control, source: _Stack, request: MoveRequest) -> None:
    """Refuse a stack's new name that cannot be, or is taken."""
    if request.kind is MoveKind.RENAME_STACK:
        wanted = replace(source.record, name=check_name(request.name))
        if wanted.name == source.record.name:
            raise MantleError(f"The stack is called {wanted.name!r} already.")
        await control.database.read(refuse_taken, wanted)


async def _notes(
    control: Control,
    source: _Stack,
    target: _Stack | None,
    request: MoveRequest,
    after: Sequence[TemplateSource],
) -> list[str]:
    """What a person should know before saying yes."""
    notes = []
    if any(isinstance(text.template, dict) for text in after) and isinstance(
        source.loaded.source.template, str
    ):
        notes.append("a template's lines cannot be kept: it is data from now on, without comments.")
    kept = await control.database.read(snapshot_rows.of_stack, source.record.id)
    going = set(request.names)
    named = [each.name or each.id for each in kept if going & set(each.data.get("resources") or ())]
    if named:
        notes.append(
            f"snapshots of stack {source.record.name} still hold these resources "
            f"({', '.join(named[:5])}): restoring one makes them anew."
        )
    if target is not None:
        guard = await control.database.read(
            guard_rows.get, target.record.id, target.record.project_id
        )
        if guard.expires_at is not None:
            notes.append(f"stack {target.record.name} has a time to live, and they end with it.")
    return notes


# --- both stacks afterwards ------------------------------------------------------------------


async def _sides(
    control: Control,
    source: _Stack,
    target: _Stack | None,
    cut: Cut,
    going: Sequence[ResourceRecord],
    request: MoveRequest,
) -> tuple[list[Side], list[Side]]:
    """Both stacks, and all inside them that change."""
    ids = {row.id for row in going}
    owner = source.record if target is None else target.record
    gone = {row.id: _relocated(control, source.record, row, owner, request) for row in going}
    first = [gone.get(row.id, row) for row in source.rows if target is None or row.id not in ids]
    before = {row.id: row for row in going}
    side, inner = await _side(control, source, source.record, cut.source, first, before)
    if target is None:
        return [side], inner
    assert cut.target is not None, "two stacks have two templates"
    rows = [*target.rows, *gone.values()]
    other, more = await _side(control, target, target.record, cut.target, rows, before)
    return [side, other], [*inner, *more]


def _relocated(
    control: Control,
    stack: StackRecord,
    row: ResourceRecord,
    owner: StackRecord,
    request: MoveRequest,
) -> ResourceRecord:
    name = request.names.get(row.name, row.name)
    return replace(row, stack_id=owner.id, name=name, data=_named(control, stack, row))


def _named(control: Control, stack: StackRecord, row: ResourceRecord) -> Mapping[str, object]:
    """The row's notes with the physical name it was made with: an update must not give another."""
    limit = control.registry.get(row.resolved_type).schema.name_limit
    return {NAMED: name_hint(stack.name, row.name, row.token, limit), **row.data}


async def _side(
    control: Control,
    was: _Stack,
    after: StackRecord,
    source: TemplateSource,
    rows: Sequence[ResourceRecord],
    going: Mapping[ResourceId, ResourceRecord],
) -> tuple[Side, list[Side]]:
    """The stack with its new template and rows, and the stacks inside it that change.

    Raises unless its plan is empty, and theirs. `going` are the rows that go, as they are.
    """
    loaded = await load(control.machine, after, source)
    await check_size(control, after.project_id, loaded)
    there = fitted(control, loaded, rows)
    left = await steps_left(control, after, loaded, there)
    if left:
        await _refuse(control, was, after, left)
    outputs, errors = outputs_of(control.machine, after, loaded, there)
    before = {row.id: row for row in was.rows}
    inner = await rehoused(control, after, loaded, {**going, **before}, there)
    side = Side(
        before=was.record,
        after=replace(
            after,
            description=loaded.graph.description,
            outputs=outputs,
            output_errors=errors,
            previous_source_id=None,
        ),
        source=source,
        rows={row.id: row for row in there if before.get(ResourceId(row.id)) != row},
        fresh=not was.record.source_id,
        sinks=sinks_of(loaded.environment.event_sinks),
    )
    return side, inner


async def _refuse(control: Control, was: _Stack, after: StackRecord, left: Sequence[Step]) -> None:
    """Say whose fault the changes are: the stack's as it is, or the move's."""
    name = was.record.name
    if was.record.source_id and await steps_left(control, was.record, was.loaded, was.rows):
        raise Conflict(
            f"Stack {name!r} is not what its template says: {left[0].resource} needs "
            f"{left[0].kind} ({left[0].reason}).",
            remedy="Update it with its own template first, then move.",
            fault="Conflict",
        )
    findings = Findings()
    for step in left:
        findings.add(
            "move",
            f"{step.resource} of stack {after.name!r} would then need {step.kind}: {step.reason}.",
            ("resources", step.resource),
            remedy="What it reads cannot be carried over: write the value into the template.",
        )
    findings.raise_if_any()


async def _renamed_stack(
    control: Control, caller: Caller, source: _Stack, request: MoveRequest
) -> MoveDraft:
    """Resources keep the physical names they have, and go on reading the old name."""
    asking = [row for row in source.rows if "cfn" in (row.attributes.get(AGENT) or {})]
    if asking:
        raise Invalid(_stays(row, "its stack's name") for row in asking)
    cut = fixed_name(source.record.name, source.loaded)
    after = replace(source.record, name=request.name)
    same = not cut.crossings
    text = source.loaded.source if same else cut.source
    rows = [replace(row, data=_named(control, source.record, row)) for row in source.rows]
    before = {row.id: row for row in source.rows}
    side, inner = await _side(control, source, after, text, rows, before)
    movers = _movers(source.record, after, source.rows, [], [], request)
    warned = await ask_rules(control, source.record, source.loaded, movers, asker_of(caller))
    notes = await _notes(control, source, None, request, [] if same else [cut.source])
    return _made(control, request, source, [side], [], cut, [*warned, *notes], inner=inner)
