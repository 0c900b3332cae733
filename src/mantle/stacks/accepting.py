"""Accepts drift: the template, or a parameter, is brought to what is there.

Nothing is done to the cloud. The live value is read once more and tried: a property with it must
ask for exactly the object that is there. It is then written where the property gets its value from,
the stack is planned with it, and only if that plan does nothing new is it stored, in one
transaction with the resource's row. So the next plan is empty, and whatever cannot be accepted is
refused with what stands in the way.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from mantle.access.caller import Caller
from mantle.clouds.ports import CloudError, CloudObject, Missing
from mantle.engine.finish import outputs_of
from mantle.engine.operation import RowLookup, plan_in_full, ref_of, reference_of
from mantle.engine.resource import name_hint
from mantle.model.drift import GONE, STATUS, DriftPolicy, Ending, Finding
from mantle.model.errors import Conflict, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.plan import Plan
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.plan.acceptance import InParameter, InTemplate, Nowhere, place_of
from mantle.plan.drift import as_left, is_settled
from mantle.plan.stack import desired_properties
from mantle.resources.inverse import Inverse, Peers
from mantle.resources.kit import Context, ResourceType
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.correcting import WANTED
from mantle.stacks.drift_policies import read_policies
from mantle.stacks.queries import load_stack
from mantle.stacks.update import UpdateRequest, wanted_update
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.load import parse
from mantle.template.rewrite.edit import put_value, with_value
from mantle.template.validate import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one finding: where its value stands now, or why it was refused."""

    finding: Finding
    place: str = ""
    """`parameter size`, or `resources.net.properties.name`."""
    refused: str = ""


class _Refused(Exception):
    """This finding cannot be accepted; the text says why, and what stands in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One resource whose drift is to be accepted, and its stack as it is."""

    caller: Caller
    stack: StackRecord
    row: ResourceRecord
    rows: Sequence[ResourceRecord]
    finding: Finding
    loaded: Loaded
    source: TemplateSource
    kind: ResourceType
    inverse: Inverse
    live: CloudObject
    alone: bool
    """Nothing else of the resource drifts."""


async def accept_drift(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    *,
    only: Collection[DriftPolicy] = WANTED,
    resource: str = "",
    again: bool = True,
) -> list[Accepted]:
    """Bring the template to what is there; each finding by itself, in the order they were seen.

    Only what has one of these policies, or only the named resource. Without `again`, what was
    refused before is passed over.
    """

    def read(connection: Connection) -> list[Finding]:
        ids = [each.id for each in stack_rows.below(connection, stack)]
        policies = read_policies(connection, ids)
        return [
            each
            for each in drift_rows.open_findings(connection, ids)
            if policies.of(each.difference.stack_id, each.difference.resource) in only
            and resource in {"", each.difference.resource}
            and (again or not each.note)
        ]

    answers = []
    for finding in await control.database.read(read):
        try:
            place = await _accept(control, caller, finding)
        except (_Refused, MantleError, CloudError) as error:
            why = str(error)
            note = f"not accepted: {why}"
            await control.database.write(drift_rows.note, finding.sequence, note)
            answers.append(Accepted(finding=finding, refused=why))
        else:
            answers.append(Accepted(finding=finding, place=place))
    return answers


async def _accept(control: Control, caller: Caller, finding: Finding) -> str:
    case = await _case(control, caller, finding)
    said = await _said(control, case)
    written = [_place(case, name, value) for name, value in said.items()]
    request = UpdateRequest(existing=True)
    raw: Any = case.source.template
    for place, value in written:
        if isinstance(place, InParameter):
            parameters = {**request.parameters, place.name: value}
            request = replace(request, parameters=parameters)
        else:
            put = with_value if isinstance(raw, str) else put_value
            raw = put(raw, place.path, value)
            request = replace(request, template=raw, template_name=case.source.template_name)
    after, source, loaded = await wanted_update(control, case.stack, request)
    row = await _row_after(control, case, loaded)
    rows = [row if each.id == row.id else each for each in case.rows]
    await _refuse_more(control, case, loaded, rows)
    await control.database.write(_Store(control, case, after, source, loaded, row, rows))
    control.machine.nudges.nudge(case.stack.id)
    return ", ".join(_spoken(place) for place, _ in written)


async def _case(control: Control, caller: Caller, finding: Finding) -> _Case:
    where = finding.difference

    def read(
        connection: Connection,
    ) -> tuple[StackRecord | None, list[ResourceRecord], list[Finding]]:
        stack = stack_rows.get(connection, where.stack_id)
        if stack is not None and operation_rows.live_of_stack(connection, stack.root_id):
            raise Conflict(
                f"Stack {stack.name!r} has an operation under way.", remedy="Wait for its end."
            )
        findings = drift_rows.open_findings(connection, [where.stack_id])
        return stack, resource_rows.of_stack(connection, where.stack_id), findings

    stack, rows, findings = await control.database.read(read)
    row = next((each for each in rows if each.id == where.resource_id), None)
    if stack is None or row is None or not is_settled(row):
        raise _Refused(f"{where.resource} is not as an operation left it; update the stack first")
    if where.path == GONE:
        raise _Refused(
            f"{where.resource} is missing: to accept that, take it out of the template; to have it "
            "made again, correct it"
        )
    if where.path == STATUS:
        raise _Refused(f"the state of {where.resource} is nothing a template says")
    if stack.parent_id is not None:
        raise _Refused(
            f"{where.resource} is in a stack inside: {stack.parent_resource} makes its template; "
            "change its definition in the stack above"
        )
    kind = control.registry.types.get(row.resolved_type)
    if kind is None or kind.inverse is None or kind.live is None:
        raise _Refused(f"{row.type} has no value that could be read back")
    try:
        live = await kind.live(control.machine.session(stack)).get(row.physical_id or "")
    except Missing:
        raise _Refused(f"{where.resource} is missing by now") from None
    source = await control.database.read(stack_rows.load_source, stack.source_id)
    return _Case(
        caller=caller,
        stack=stack,
        row=row,
        rows=rows,
        finding=finding,
        loaded=await load_stack(control, stack),
        source=source,
        kind=kind,
        inverse=kind.inverse,
        live=live,
        alone=[each.difference.resource_id for each in findings].count(row.id) == 1,
    )


# --- what the live value is as properties ----------------------------------------------------


async def _said(control: Control, case: _Case) -> Mapping[str, Any]:
    """The property that asks for what is there; tried out, so that it does, and changes no more."""
    field = case.finding.difference.path
    actual = _plain(case.live).get(field)
    asked = _plain(await case.inverse.dry_spec(_context(control, case, case.row.properties)))
    told = []
    for said in _candidates(case, field):
        properties = {**case.row.properties, **said}
        try:
            found = _plain(await case.inverse.dry_spec(_context(control, case, properties)))
        except (MantleError, CloudError, KeyError, TypeError, ValueError) as error:
            told.append(str(error))
            continue
        others = {name for name in found if not as_left(found[name], asked.get(name))}
        if as_left(found.get(field), actual) and others <= {field}:
            return said
    why = f" ({'; '.join(told)})" if told else ""
    raise _Refused(f"no property of {case.row.type} says {field} as it is there{why}")


def _candidates(case: _Case, field: str) -> list[Mapping[str, Any]]:
    """Each property that is said otherwise by the object, the one of the field's name first."""
    unreadable = case.inverse.unreadable
    said = {
        name: _tidy(value)
        for name, value in case.inverse.written(case.live, Peers()).items()
        if name not in unreadable
    }
    differing = [name for name in said if not as_left(said[name], case.row.properties.get(name))]
    return [{name: said[name]} for name in sorted(differing, key=lambda name: name != field)]


def _tidy(value: Any) -> Any:
    """As a template says it: without the fields of maps that are null."""
    if isinstance(value, Mapping):
        return {key: _tidy(part) for key, part in value.items() if part is not None}
    if isinstance(value, list | tuple):
        return [_tidy(part) for part in value]
    return value


def _plain(found: Any) -> dict[str, Any]:
    """A spec, or an object's, as JSON."""
    spec = getattr(found, "spec", found)
    plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(spec))
    return plain


def _context(control: Control, case: _Case, properties: Mapping[str, Any]) -> Context:
    ref = ref_of(case.row, case.stack)
    now = control.clock.now()

    async def config_text(config_id: str) -> str | None:
        for row in case.rows:
            if row.id == config_id and control.registry.get(row.resolved_type).holds_config:
                return str(row.attributes.get("config", ""))
        return await control.machine.config_text(config_id, case.stack.project_id)

    return Context(
        ref=ref,
        properties=properties,
        before=case.row.properties,
        metadata=case.row.metadata,
        cloud=control.machine.session(case.stack),
        now=now,
        started_at=now,
        random=control.random,
        urls=control.machine.links.urls(ref),
        callbacks=control.machine.links,
        name_hint=name_hint(
            case.stack.name, case.row.name, case.row.token, case.kind.schema.name_limit
        ),
        config_text=config_text,
    )


# --- where it is written ---------------------------------------------------------------------


def _place(case: _Case, name: str, value: Any) -> tuple[InTemplate | InParameter, Any]:
    definition = case.loaded.graph.resources.get(case.row.name)
    if definition is None:
        raise _Refused(f"{case.row.name} is no longer in the template")
    template = case.source.template
    raw = parse(template).data if isinstance(template, str) else template
    place = place_of(case.loaded.graph, definition, case.kind.schema, name, raw)
    if isinstance(place, Nowhere):
        raise _Refused(f"{place.reason}: change that in the template")
    return place, value


def _spoken(place: InTemplate | InParameter) -> str:
    if isinstance(place, InParameter):
        return f"parameter {place.name}"
    return ".".join(map(str, place.path))


async def _row_after(control: Control, case: _Case, loaded: Loaded) -> ResourceRecord:
    """The row as an operation with the new template would leave it."""
    current = {
        each.name: each for each in case.rows if each.replaced_by is None and each != case.row
    }
    current[case.row.name] = case.row
    lookup = RowLookup(current, reference_of(control.registry, case.stack))
    properties = desired_properties(loaded, case.row.name, lookup)
    changed = replace(case, row=replace(case.row, properties=properties))
    attributes = case.row.attributes
    if case.kind.attributes is not None:
        attributes = await case.kind.attributes(_context(control, changed, properties))
    if case.alone:
        kept = attributes
    else:
        kept = _with_one(case.row.attributes, attributes, case.finding.difference.path)
    return replace(
        changed.row,
        attributes=kept,
        reason=f"Drift accepted: {case.finding.difference.path} is as it is on the cloud",
        updated_at=control.clock.now(),
    )


def _with_one(was: Mapping[str, Any], now: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What drifts besides stays as it was left, so that it goes on being found."""
    shown = {**(was.get("show") or {}), name: (now.get("show") or {}).get(name)}
    one = {name: now[name]} if name in now else {}
    return {**was, **one, "show": shown}


async def _refuse_more(
    control: Control, case: _Case, loaded: Loaded, rows: Sequence[ResourceRecord]
) -> None:
    """The next plan must do nothing that it would not have done before."""
    before = await _plan(control, case, case.loaded, case.rows)
    after = await _plan(control, case, loaded, rows)
    known = {step.resource for step in before.steps} - {case.row.name}
    more = [step for step in after.steps if step.resource not in known]
    if more:
        told = "; ".join(f"{step.resource}: {step.reason}" for step in more[:5])
        raise _Refused(f"it would change more than {case.row.name} says now ({told})")


async def _plan(
    control: Control, case: _Case, loaded: Loaded, rows: Sequence[ResourceRecord]
) -> Plan:
    asker = asker_of(case.caller)
    planned = await plan_in_full(
        control.machine, case.stack, Action.UPDATE, loaded, rows, asker=asker, only_shown=True
    )
    return planned.plan


@dataclass(frozen=True, slots=True)
class _Store:
    """Writes the source, the row and the finding's end, or raises when something has moved."""

    control: Control
    case: _Case
    after: StackRecord
    source: TemplateSource
    loaded: Loaded
    row: ResourceRecord
    rows: Sequence[ResourceRecord]

    def __call__(self, connection: Connection) -> None:
        case, machine = self.case, self.control.machine
        now = stack_rows.get(connection, case.stack.id)
        row = resource_rows.get(connection, case.row.id)
        busy = operation_rows.live_of_stack(connection, case.stack.id)
        moved = row is None or row.version != case.row.version
        if busy or now is None or moved or now.source_id != case.stack.source_id:
            raise Conflict(
                f"Stack {case.stack.name!r} was changed by someone else in this moment.",
                remedy="Look at it and accept the drift again.",
            )
        source_id = stack_rows.add_source(connection, self.source, self.control.clock.now())
        outputs, errors = outputs_of(machine, now, self.loaded, list(self.rows))
        stored = replace(
            now,
            source_id=source_id,
            updated_at=self.control.clock.now(),
            outputs=outputs,
            output_errors=errors,
        )
        stack_rows.save(connection, stored)
        resource_rows.save(connection, [self.row])
        at = self.control.clock.now()
        drift_rows.end(connection, [case.finding.sequence], Ending.ACCEPTED, at)
        event_rows.add(connection, [machine.resource_event(self.row)])
        if now.source_id not in {source_id, now.previous_source_id}:
            stack_rows.drop_unused_sources(connection, [now.source_id])
