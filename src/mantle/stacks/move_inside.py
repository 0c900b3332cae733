"""The stacks inside what is moved: looked at, packed, and proven to be what they were.

A stack inside keeps its id, its name and its resources; what changes is whose it is, and what it is
made from: the files and the environment it inherits are those of its new parent. So each is planned
as it will be, and unless that plan is empty the move is refused. The same goes for groups that stay
where they are while their stack's files or environment change, in either stack.

What is filed by a stack inside (events, operations, interventions, findings and policies of drift)
stays with it. Snapshots are of root stacks and stay with those: a copy is known by its token, and
ends with its snapshot.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from mantle.engine.operation import load, plan_in_full
from mantle.engine.shelter import is_container
from mantle.model.errors import Conflict, Invalid, LimitExceeded, NotSupported, Problem
from mantle.model.graph import ResourceDefinition, TemplateSource
from mantle.model.ids import ResourceId, StackId
from mantle.model.plan import Step, StepKind
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.status import Action, Status
from mantle.plan.binding import print_of, seal
from mantle.plan.moving import without_digest
from mantle.plan.stack import digest_of
from mantle.stacks.control import Control
from mantle.stacks.limits import limit_of
from mantle.stacks.move_rows import Side
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.loaded import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A stack inside, as it is."""

    way: str
    """`group`, and `group/0` for one inside that."""
    record: StackRecord
    loaded: Loaded
    rows: Sequence[ResourceRecord]


async def look_inside(control: Control, rows: Iterable[ResourceRecord]) -> list[Inner]:
    """Every stack inside these rows, at rest; raises `Conflict` or `NotSupported` otherwise."""
    found: list[Inner] = []
    pending = [(row.name, row) for row in rows]
    while pending:
        way, row = pending.pop()
        child = await child_of(control, row)
        if child is None:
            continue
        await _refuse_unrest(control, child, way)
        source = await control.database.read(stack_rows.load_source, child.source_id)
        loaded = await load(control.machine, child, source)
        members = await control.database.read(resource_rows.of_stack, child.id)
        found.append(Inner(way=way, record=child, loaded=loaded, rows=members))
        pending += [(f"{way}/{member.name}", member) for member in members]
    return sorted(found, key=lambda each: each.way)


async def child_of(control: Control, row: ResourceRecord) -> StackRecord | None:
    """The live stack inside a row."""
    if not is_container(control.machine, row):
        return None
    child_id = control.machine.delegates.child_id(row)
    child = await control.database.read(stack_rows.get, child_id)
    return None if child is None or child.deleted_at is not None else child


async def _refuse_unrest(control: Control, child: StackRecord, way: str) -> None:
    live = await control.database.read(operation_rows.live_of_stack, child.id)
    if live or child.status is Status.IN_PROGRESS:
        raise Conflict(
            f"Stack {child.name} inside {way!r} has an action ({child.action}) in progress.",
            remedy="Wait for its end, or cancel it.",
        )
    if child.status is not Status.COMPLETE or child.action in {Action.SUSPEND, Action.DELETE}:
        raise NotSupported(
            f"Stack {child.name!r} inside {way!r} is {child.state}; only what is whole can be "
            "moved.",
            remedy="Resume it." if child.action is Action.SUSPEND else "Update the root stack.",
        )


def templates_of(inside: Sequence[Inner]) -> dict[str, list[Loaded]]:
    """What the stacks inside are made from, by the moved resource."""
    found: dict[str, list[Loaded]] = {}
    for each in inside:
        found.setdefault(each.way.split("/", 1)[0], []).append(each.loaded)
    return found


def shown(inside: Sequence[Inner]) -> list[dict[str, Any]]:
    """What a plan says of them."""
    return [
        {
            "resource": each.way,
            "name": each.record.name,
            "id": each.record.id,
            "resources": len(each.rows),
        }
        for each in inside
    ]


def prints_inside(inside: Sequence[Inner], key: bytes) -> dict[str, str]:
    """Keyed hashes of what they are made of: not of what their root's environment says besides."""
    prints = {}
    for each in inside:
        source = each.loaded.source
        made_of = [source.template, dict(each.loaded.environment.parameters), each.record.name]
        prints[f"the template of the stack inside {each.way}"] = seal(made_of, key)
        for row in each.rows:
            prints[f"resource {each.way}/{row.name}"] = print_of(without_digest(row), key)
    return prints


# --- whether there is room ------------------------------------------------------------------


async def check_room(control: Control, target: StackRecord, coming: int) -> None:
    """Refuse what makes the target's tree too large."""
    await control.database.read(refuse_too_many, control, target, coming)


def refuse_too_many(
    connection: Connection, control: Control, target: StackRecord, coming: int
) -> None:
    """Raise `LimitExceeded`; counted as for stacks that grow: every row of the tree."""
    there = resource_rows.count_of_tree(connection, target.root_id, StackId(""))
    name = "resources_per_stack"
    limit = limit_of(connection, control.settings, target.project_id, name)
    if 0 <= limit < there + coming:
        raise LimitExceeded(
            f"Maximum resources per stack exceeded: {there} are in stack {target.name!r} and those "
            f"inside it, {coming} would come; {limit} are allowed.",
            remedy="Move fewer, or ask whoever runs Mantle to raise the limit.",
        )


# --- afterwards ------------------------------------------------------------------------------


def fitted(
    control: Control, loaded: Loaded, rows: Iterable[ResourceRecord]
) -> list[ResourceRecord]:
    """The rows with what they note of their template: what each needs, and the digest."""
    return [_fitted(control, loaded, row) for row in rows]


def _fitted(control: Control, loaded: Loaded, row: ResourceRecord) -> ResourceRecord:
    definition = loaded.graph.resources.get(row.name)
    if definition is None:
        return row
    same = set(definition.references) == set(row.requires)
    data = row.data
    if data.get("digest") and is_container(control.machine, row):
        data = {**data, "digest": digest_of(loaded, definition)}
    return structs.replace(row, requires=row.requires if same else definition.references, data=data)


async def steps_left(
    control: Control, stack: StackRecord, loaded: Loaded, rows: Sequence[ResourceRecord]
) -> list[Step]:
    """What an update with this template would do."""
    planned = await plan_in_full(
        control.machine, stack, Action.UPDATE, loaded, rows, only_shown=True
    )
    return [step for step in planned.plan.steps if step.kind is not StepKind.KEEP]


async def rehoused(
    control: Control,
    after: StackRecord,
    loaded: Loaded,
    before: Mapping[ResourceId, ResourceRecord],
    rows: Iterable[ResourceRecord],
    way: str = "",
) -> list[Side]:
    """Every stack inside these rows that changes, down to the deepest; each one's plan is empty.

    `after` is the stack they are in afterwards, `before` the rows as they are. Raises `Invalid`
    with what a stack inside would need.
    """
    found: list[Side] = []
    for row in rows:
        child = await child_of(control, row)
        if child is None:
            continue
        old = before.get(row.id, row)
        housed = replace(
            child,
            parent_id=after.id,
            parent_resource=row.name,
            root_id=after.root_id,
            depth=after.depth + 1,
        )
        if housed == child and old.data.get("digest") == row.data.get("digest"):
            continue
        definition = loaded.graph.resources[row.name]
        here = f"{way}{row.name}"
        found += await _housed(control, child, housed, loaded, definition, here)
    return found


async def _housed(
    control: Control,
    child: StackRecord,
    housed: StackRecord,
    outer: Loaded,
    definition: ResourceDefinition,
    way: str,
) -> list[Side]:
    await _refuse_unrest(control, child, way)
    stored = await control.database.read(stack_rows.load_source, child.source_id)
    source = source_inside(outer, definition, stored)
    bound = control.settings.bounds.nesting
    if housed.depth > bound:
        raise _refused(way, f"it would be {housed.depth} deep; {bound} are allowed")
    try:
        loaded = await load(control.machine, housed, source)
    except Invalid as error:
        raise Invalid(_inside(problem, way) for problem in error.problems) from error
    rows = await control.database.read(resource_rows.of_stack, child.id)
    members = fitted(control, loaded, rows)
    left = await steps_left(control, housed, loaded, members)
    if left:
        said = "; ".join(f"{step.resource} would need {step.kind}: {step.reason}" for step in left)
        raise _refused(way, said)
    before = {row.id: row for row in rows}
    side = Side(
        before=child,
        after=replace(housed, previous_source_id=None),
        source=source,
        rows={row.id: row for row in members if before[row.id] != row},
        fresh=False,
        sinks=sinks_of(loaded.environment.event_sinks),
    )
    inner = await rehoused(control, side.after, loaded, before, members, f"{way}/")
    return [side, *inner]


def source_inside(
    outer: Loaded, definition: ResourceDefinition, stored: TemplateSource
) -> TemplateSource:
    """What the stack inside would be made from by its new parent: see `stacks/children.py`."""
    environment = outer.child_environment(definition).as_data()
    given = stored.environment
    environment["parameters"] = (
        dict(given.get("parameters") or {}) if isinstance(given, Mapping) else {}
    )
    name = f"{definition.name} ({definition.type})"
    template = stored.template
    if definition.is_template:
        name, template = definition.resolved_type, outer.source.files[definition.resolved_type]
    return replace(
        stored,
        template=template,
        template_name=name,
        files=outer.source.files,
        environment=environment,
    )


def _refused(way: str, why: str) -> Invalid:
    return Invalid([_problem(way, f"The stack inside {way!r} would not stay what it is: {why}.")])


def _problem(way: str, message: str) -> Problem:
    return Problem(
        code="move",
        message=message,
        path=("resources", way.split("/", 1)[0]),
        remedy="Update its stack with its own template first; if that changes nothing, what it "
        "reads cannot be carried over.",
    )


def _inside(problem: Problem, way: str) -> Problem:
    return replace(
        _problem(way, f"The stack inside {way!r} could not be loaded there: {problem.message}"),
        mark=problem.mark,
    )


def count_inside(inside: Sequence[Inner]) -> int:
    """How many resources there are in them."""
    return sum(len(each.rows) for each in inside)
