"""A move as it would be done now: both stacks afterwards, what is shown, and what must not change.

Made when a move is planned and again when it is applied; nothing is written.
"""

from collections.abc import Sequence
from dataclasses import replace

from msgspec import structs

from mantle.access.caller import Caller
from mantle.engine.operation import RowLookup, reference_of
from mantle.model.errors import Invalid
from mantle.model.ids import StackId
from mantle.model.moves import MoveKind, MoveRequest
from mantle.model.records import ResourceRecord, StackRecord
from mantle.plan.moving import document_of, prints_of
from mantle.plan.moving_rules import Mover
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.move_ends import AtRest, check_new_name, notes_on, stack_at_rest, target_of
from mantle.stacks.move_going import AGENT, refuse_known, rows_that_go, stays
from mantle.stacks.move_inside import (
    Inner,
    check_room,
    count_inside,
    look_inside,
    prints_inside,
    shown,
    templates_of,
)
from mantle.stacks.move_rows import MoveDraft, Side
from mantle.stacks.move_rules import ask_rules
from mantle.stacks.move_sides import side_after, sides_after, with_its_name
from mantle.template.rewrite.cut import Cut, Cutting, fixed_name
from mantle.template.rewrite.side import Side as Text
from mantle.template.rewrite.side import empty_side


async def drafted(
    control: Control, caller: Caller, request: MoveRequest, new_stack: StackId | None
) -> MoveDraft:
    """The move, proven; raises with all that speaks against it. `new_stack` is a split's id."""
    source = await stack_at_rest(control, caller.project_id, request.source_id)
    await check_new_name(control, source, request)
    if request.kind is MoveKind.RENAME_STACK:
        return await _renamed_stack(control, caller, source, request)
    target = await target_of(control, caller, source, request, new_stack)
    going = rows_that_go(control, source, request)
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
    sides, inner = await sides_after(control, source, target, cut, going, request)
    movers = _movers(source.record, sides[-1].after, going, inside, inner, request)
    warned = await ask_rules(control, source.record, source.loaded, movers, asker_of(caller))
    texts = [each.source for each in sides]
    notes = [*warned, *await notes_on(control, source, target, request, texts)]
    return _made(control, request, source, sides, going, cut, notes, inner=inner, inside=inside)


async def _renamed_stack(
    control: Control, caller: Caller, source: AtRest, request: MoveRequest
) -> MoveDraft:
    """Resources keep the physical names they have, and go on reading the old name."""
    asking = [row for row in source.rows if "cfn" in (row.attributes.get(AGENT) or {})]
    if asking:
        raise Invalid(stays(row, "its stack's name") for row in asking)
    cut = fixed_name(source.record.name, source.loaded)
    after = replace(source.record, name=request.name)
    same = not cut.crossings
    text = source.loaded.source if same else cut.source
    rows = [
        structs.replace(row, data=with_its_name(control, source.record, row)) for row in source.rows
    ]
    before = {row.id: row for row in source.rows}
    side, inner = await side_after(control, source, after, text, rows, before)
    movers = _movers(source.record, after, source.rows, [], [], request)
    warned = await ask_rules(control, source.record, source.loaded, movers, asker_of(caller))
    notes = await notes_on(control, source, None, request, [] if same else [cut.source])
    return _made(control, request, source, [side], [], cut, [*warned, *notes], inner=inner)


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
    source: AtRest,
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


def _lookup(control: Control, stack: AtRest) -> RowLookup:
    rows = {row.name: row for row in stack.rows if row.replaced_by is None}
    return RowLookup(rows, reference_of(control.registry, stack.record))
