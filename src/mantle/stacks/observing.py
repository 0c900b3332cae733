"""Looks for drift: live state read in bulk and compared with what operations left.

One list call for each type of object and project, whatever the number of resources. What is found
is stored with when it was first and last seen. A type that cannot be listed is told as not seen
since: what was known of it stays as old as it is.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import structlog
from msgspec import structs

from mantle.clouds.plain import KINDS
from mantle.clouds.ports import CloudError, CloudObject, PlainObject, Session
from mantle.model.drift import GONE, STATUS, Difference, DriftPolicy, Ending, Finding, Look
from mantle.model.errors import Conflict, MantleError
from mantle.model.ids import OperationId, ProjectId, StackId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.plan.drift import differences, is_settled, told
from mantle.plan.masking import MASKED, Mask
from mantle.plan.stack import mask_for
from mantle.resources.cloud_object import shown
from mantle.resources.inverse import flat
from mantle.stacks.control import Control
from mantle.stacks.drift_policies import read_policies
from mantle.stacks.queries import load_stack
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

log = structlog.get_logger()

OWN = {"id", "token", "status", "fault", "created_at"}
"""What every object has, whatever it was asked for."""

Seen = Mapping[str, tuple[Mapping[str, Any], Iterable[str]]]
"""Objects by id as `show` shows them, and the fields that were asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one look saw."""

    look: Look
    due: Mapping[DriftPolicy, Sequence[StackId]]
    """Stacks in which something is to be corrected or accepted."""


@dataclass(slots=True)
class _Live:
    """What is there, type by type, and what could not be asked."""

    by_type: dict[str, Seen] = field(default_factory=dict)
    blind: dict[str, str] = field(default_factory=dict)
    calls: int = 0


async def observe(
    control: Control, project_id: ProjectId, cloud: str, still: Collection[StackId] = ()
) -> Sight:
    """Read what is there and store what differs. Safe to repeat, and to kill.

    A stack with an operation under way is left out, unless it is one of those that hold `still`.
    """
    now = control.clock.now()
    ids, rows = await control.database.read(_settled_rows, project_id, cloud, still)
    # One list call serves all stacks of the project: by what the owner of one of them left.
    first = await control.database.read(stack_rows.get, ids[0]) if ids else None
    session = control.view(cloud, project_id, first.owner_id if first is not None else None)
    live = await _live(control, session, rows)
    found = []
    for row in rows:
        objects = live.by_type.get(row.resolved_type)
        if objects is not None:
            seen, fields = objects.get(row.physical_id or "", (None, ()))
            found += differences(row, seen, fields)
    looked_at = [row for row in rows if row.resolved_type in live.by_type]
    blind: dict[StackId, dict[str, str]] = {stack_id: {} for stack_id in ids}
    for row in rows:
        if row.resolved_type in live.blind:
            blind[row.stack_id][row.resolved_type] = live.blind[row.resolved_type]
    store = _Store(control, now, looked_at, await _masked(control, found), ids)
    objects_seen = sum(map(len, live.by_type.values()))

    def write(connection: Connection) -> Mapping[DriftPolicy, Sequence[StackId]]:
        cost = drift_rows.Cost(calls=live.calls, objects=objects_seen, whole=not live.blind)
        drift_rows.note_look(connection, project_id, cloud, cost, now)
        drift_rows.note_sights(connection, blind, now)
        return store(connection)

    due = await control.database.write(write)
    looked = None if live.blind else now
    return Sight(look=Look(looked_at=looked, calls=live.calls, objects=objects_seen), due=due)


async def observed(control: Control, stack: StackRecord) -> list[Finding]:
    """Look now, and say what differs in a stack that nobody changes; what is ignored does not.

    Raises `Conflict` while an operation is under way: what is there then is nobody's last word.
    """
    if await control.database.read(operation_rows.live_of_stack, stack.id):
        raise Conflict(
            f"Stack {stack.name!r} has an operation under way, so that nothing can be said of "
            "what is there.",
            remedy="Wait for its end, or update without `converge` to overtake it.",
        )
    await observe_stack(control, stack)
    return await control.database.read(unwanted_below, stack)


async def observe_for(control: Control, stack: StackRecord, operation_id: OperationId) -> None:
    """Look now, for an operation that has its turn, and give it what differs.

    Its stack is live, but nothing is done there: this operation has not begun, the earlier ones
    have ended, and later ones wait for it.
    """
    await observe_stack(control, stack, still=True)

    def give(connection: Connection) -> None:
        found = unwanted_below(connection, stack)
        drift_rows.give_to(connection, [each.sequence for each in found], operation_id)

    await control.database.write(give)


async def observe_stack(control: Control, stack: StackRecord, *, still: bool = False) -> None:
    """Look wherever the stack and those inside it are; raises when something cannot be seen."""
    tree = await control.database.read(stack_rows.below, stack)
    held = [each.id for each in tree] if still else []
    for project_id, cloud in sorted({(each.project_id, each.cloud) for each in tree}):
        await observe(control, project_id, cloud, held)
    sights = await control.database.read(drift_rows.sights, [each.id for each in tree])
    missed = {name: each.reason for _, blind in sights.values() for name, each in blind.items()}
    if missed:
        told = "; ".join(f"{name}: {reason}" for name, reason in sorted(missed.items()))
        raise MantleError(
            f"What is there of stack {stack.name!r} could not be looked at ({told}).",
            remedy="Try again later, or do without the look.",
            fault="ServiceUnavailable",
        )


def unwanted_below(connection: Connection, stack: StackRecord) -> list[Finding]:
    """What differs in a stack and those inside it, and is not ignored."""
    stack_ids = [each.id for each in stack_rows.below(connection, stack)]
    findings = drift_rows.open_findings(connection, stack_ids)
    policies = read_policies(connection, sorted({each.difference.stack_id for each in findings}))
    return [
        each
        for each in findings
        if policies.of(each.difference.stack_id, each.difference.resource) is not DriftPolicy.IGNORE
    ]


def _settled_rows(
    connection: Connection, project_id: ProjectId, cloud: str, still: Collection[StackId]
) -> tuple[list[StackId], list[ResourceRecord]]:
    """Stacks at rest, and their resources of which it is said what they should be."""
    ids = drift_rows.live_stacks(connection, project_id, cloud)
    idle = [
        each for each in ids if each in still or not operation_rows.live_of_stack(connection, each)
    ]
    rows = resource_rows.readable_of_stacks(connection, idle)
    return idle, [row for row in rows if is_settled(row)]


async def _live(control: Control, session: Session, rows: Sequence[ResourceRecord]) -> _Live:
    found = _Live()
    for name in sorted({row.resolved_type for row in rows}):
        kind = control.registry.types.get(name)
        if kind is None or kind.live is None:
            continue
        found.calls += 1
        try:
            objects = await kind.live(session).list()
        except CloudError as error:
            log.warning("drift was not looked for", type=name, reason=str(error))
            found.blind[name] = str(error)
            continue
        found.by_type[name] = {
            # Through JSON, as what was stored went: a tuple is a list there.
            each.id: (
                msgspec.json.decode(msgspec.json.encode(shown(each))),
                _asked_for(each),
            )
            for each in objects
        }
        await asyncio.sleep(0)
    return found


def _asked_for(found: CloudObject) -> Collection[str]:
    """The fields that a request set; an object without a spec is all request."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    asked = flat(fields["spec"]).keys() if fields.get("spec") else fields.keys() - OWN
    if isinstance(found, PlainObject):
        return asked | KINDS[found.kind].tells.keys()
    return asked


async def _masked(control: Control, found: Sequence[Difference]) -> list[Difference]:
    """With the values of hidden parameters, and every other secret, hidden wherever they stand.

    Where nobody can say which those are, as the template cannot be read any more, all are.
    """
    masks: dict[StackId, Mask | None] = {}
    for stack_id in {each.stack_id for each in found}:
        stack = await control.database.read(stack_rows.get, stack_id)
        try:
            loaded = await load_stack(control, stack) if stack is not None else None
        except MantleError:
            loaded = None
        rows = await control.database.read(resource_rows.of_stack, stack_id)
        facts = control.registry.facts
        masks[stack_id] = None if loaded is None else mask_for(loaded, rows, facts)
    return [_hidden(each, masks[each.stack_id]) for each in found]


def _hidden(each: Difference, mask: Mask | None) -> Difference:
    if mask is not None:
        return replace(each, expected=mask.value(each.expected), actual=mask.value(each.actual))
    if each.path in {GONE, STATUS}:
        return each
    return replace(each, expected=MASKED, actual=MASKED)


@dataclass(frozen=True, slots=True)
class _Store:
    """Writes what was found; the answer is what is to be done about it."""

    control: Control
    now: float
    rows: Sequence[ResourceRecord]
    found: Sequence[Difference]
    ids: Sequence[StackId]
    """Every stack that was looked at."""

    def __call__(self, connection: Connection) -> Mapping[DriftPolicy, Sequence[StackId]]:
        present = {row.id: row for row in resource_rows.readable_of_stacks(connection, self.ids)}
        # What an operation changed meanwhile was compared with the wrong thing.
        steady = {
            row.id: row
            for row in self.rows
            if row.id in present and present[row.id].version == row.version
        }
        known = {
            (each.difference.resource_id, each.difference.path): each
            for each in drift_rows.open_findings(connection, self.ids)
        }
        mine = {each.stack_id for each in self.found}
        mine |= {each.difference.stack_id for each in known.values()}
        policies = read_policies(connection, sorted(mine))
        events = []
        for difference in self.found:
            row = steady.get(difference.resource_id)
            if row is None:
                continue
            finding = known.pop((difference.resource_id, difference.path), None)
            policy = policies.of(difference.stack_id, difference.resource)
            if policy is DriftPolicy.IGNORE:
                ended = [finding.sequence] if finding is not None else []
                drift_rows.end(connection, ended, Ending.IGNORED, self.now)
            elif finding is None:
                drift_rows.begin(connection, difference, self.now)
                shown_row = structs.replace(row, reason=told(difference))
                events.append(self.control.machine.resource_event(shown_row))
            else:
                drift_rows.see(connection, finding, difference.actual, self.now)
        for finding in known.values():
            row_id = finding.difference.resource_id
            if row_id in steady:
                how = _ending(finding, steady[row_id])
                drift_rows.end(connection, [finding.sequence], how, self.now)
            elif row_id not in present:
                drift_rows.end(connection, [finding.sequence], Ending.UPDATED, self.now)
        event_rows.add(connection, events)
        due: dict[DriftPolicy, list[StackId]] = {}
        for finding in drift_rows.open_findings(connection, sorted(mine)):
            where = finding.difference
            stacks = due.setdefault(policies.of(where.stack_id, where.resource), [])
            if where.stack_id not in stacks:
                stacks.append(where.stack_id)
        return due


def _ending(finding: Finding, row: ResourceRecord) -> Ending:
    """How a finding ended that is found no more."""
    if finding.operation_id is not None:
        return Ending.CORRECTED
    changed = row.updated_at is not None and row.updated_at > finding.last_seen
    return Ending.UPDATED if changed else Ending.GONE
