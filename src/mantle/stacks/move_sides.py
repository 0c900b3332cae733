"""Both stacks of a move as they will be, each planned with its new template and its new rows.

Unless a plan is empty, the move is refused, and said whose fault the changes are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from msgspec import structs

from mantle.engine.deeds import name_hint
from mantle.engine.finish import outputs_of
from mantle.engine.operation import load
from mantle.model.errors import Conflict, Findings
from mantle.model.graph import TemplateSource
from mantle.model.ids import ResourceId
from mantle.model.moves import MoveRequest
from mantle.model.plan import Step
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.plan.adoption import NAMED
from mantle.stacks.accept import check_size
from mantle.stacks.control import Control
from mantle.stacks.move_ends import AtRest
from mantle.stacks.move_inside import fitted, rehoused, steps_left
from mantle.stacks.move_rows import Side
from mantle.template.rewrite.cut import Cut


async def sides_after(
    control: Control,
    source: AtRest,
    target: AtRest | None,
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
    side, inner = await side_after(control, source, source.record, cut.source, first, before)
    if target is None:
        return [side], inner
    assert cut.target is not None, "two stacks have two templates"
    rows = [*target.rows, *gone.values()]
    other, more = await side_after(control, target, target.record, cut.target, rows, before)
    return [side, other], [*inner, *more]


def _relocated(
    control: Control,
    stack: StackRecord,
    row: ResourceRecord,
    owner: StackRecord,
    request: MoveRequest,
) -> ResourceRecord:
    name = request.names.get(row.name, row.name)
    return structs.replace(
        row, stack_id=owner.id, name=name, data=with_its_name(control, stack, row)
    )


def with_its_name(
    control: Control, stack: StackRecord, row: ResourceRecord
) -> Mapping[str, object]:
    """The row's notes with the physical name it was made with: an update must not give another."""
    limit = control.registry.get(row.resolved_type).schema.name_limit
    return {NAMED: name_hint(stack.name, row.name, row.token, limit), **row.data}


async def side_after(
    control: Control,
    was: AtRest,
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


async def _refuse(control: Control, was: AtRest, after: StackRecord, left: Sequence[Step]) -> None:
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
