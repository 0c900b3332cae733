"""Accepts drift: the template, or a parameter, is brought to what is there.

Nothing is done to the cloud. The live value is read once more and tried (`reading_back`). It is
then written where the property gets its value from, the stack is planned with it, and only if that
plan does nothing new is it stored, in one transaction with the resource's row. So the next plan is
empty, and whatever cannot be accepted is refused with what stands in the way.

All of a stack's drift is accepted at once; where that would change more than what drifts, each
value is tried by itself.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from msgspec import structs

from mantle.access.caller import Caller
from mantle.clouds.ports import CloudError
from mantle.engine.finish import outputs_of
from mantle.engine.operation import RowLookup, computed, plan_in_full, reference_of, size_of
from mantle.model.drift import DriftPolicy, Ending, Finding
from mantle.model.errors import Conflict, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import StackId
from mantle.model.plan import Plan
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.plan.acceptance import InParameter, InTemplate, Nowhere, place_of
from mantle.plan.confidential import holds_secrets
from mantle.plan.stack import desired_properties
from mantle.stacks.accept import asker_of
from mantle.stacks.control import Control
from mantle.stacks.correcting import WANTED
from mantle.stacks.drift_policies import read_policies
from mantle.stacks.queries import load_stack
from mantle.stacks.reading_back import NotAcceptable, Trial, context, said, trial_of
from mantle.stacks.update import UpdateRequest, wanted_update
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.sealed import mark_confidential
from mantle.template.load import parse
from mantle.template.loaded import Loaded
from mantle.template.rewrite.edit import put_value, with_value


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """What became of one finding: where its value stands now, or why it was refused."""

    finding: Finding
    place: str = ""
    """`parameter size`, or `resources.net.properties.name`."""
    refused: str = ""
    passing: bool = False
    """Refused for what will be over by itself: a busy stack, a cloud that does not answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A stack at rest, as it is."""

    caller: Caller
    stack: StackRecord
    rows: Sequence[ResourceRecord]
    loaded: Loaded
    source: TemplateSource
    raw: Any
    """The template as data."""
    open: Sequence[Finding]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A value that can be written, and where."""

    trial: Trial
    place: InTemplate | InParameter
    value: Any

    def __str__(self) -> str:
        if isinstance(self.place, InParameter):
            return f"parameter {self.place.name}"
        return ".".join(map(str, self.place.path))


async def accept_drift(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    *,
    only: Collection[DriftPolicy] = WANTED,
    resource: str = "",
    again: bool = True,
) -> list[Accepted]:
    """Bring the template to what is there, in the order it was seen.

    Only what has one of these policies, or only the named resource. Without `again`, what was
    refused before is passed over. What is refused is noted on its finding.
    """

    def read(connection: Connection) -> dict[StackId, list[Finding]]:
        ids = [each.id for each in stack_rows.below(connection, stack)]
        policies = read_policies(connection, ids)
        chosen: dict[StackId, list[Finding]] = {}
        for each in drift_rows.open_findings(connection, ids):
            where = each.difference
            wanted = policies.of(where.stack_id, where.resource) in only
            if wanted and resource in {"", where.resource} and (again or not each.note):
                chosen.setdefault(where.stack_id, []).append(each)
        return chosen

    answers: list[Accepted] = []
    for stack_id, findings in (await control.database.read(read)).items():
        answers += await _accept(control, caller, stack_id, findings)
    for each in answers:
        if each.refused and not each.passing:
            note = f"not accepted: {each.refused}"
            await control.database.write(drift_rows.note, each.finding.sequence, note)
    return answers


async def _accept(
    control: Control, caller: Caller, stack_id: StackId, findings: Sequence[Finding]
) -> list[Accepted]:
    """All that can be written at once; one by one when that would be too much."""
    answers: list[Accepted] = []
    ready: list[_Written] = []
    try:
        case = await _case(control, caller, stack_id)
    except MantleError as error:
        return [_refused(each, error) for each in findings]
    for finding in findings:
        try:
            ready.append(await _placed(control, case, finding))
        except (NotAcceptable, MantleError, CloudError) as error:
            answers.append(_refused(finding, error))
    if not ready:
        return answers
    try:
        await _write(control, case, ready)
    except (NotAcceptable, MantleError, CloudError) as error:
        if len(ready) == 1:
            return [*answers, _refused(ready[0].trial.finding, error)]
        for each in ready:
            answers += await _accept(control, caller, stack_id, [each.trial.finding])
        return answers
    return answers + [Accepted(finding=each.trial.finding, place=str(each)) for each in ready]


def _refused(finding: Finding, error: Exception) -> Accepted:
    passing = isinstance(error, Conflict | CloudError)
    return Accepted(finding=finding, refused=str(error), passing=passing)


async def _case(control: Control, caller: Caller, stack_id: StackId) -> _Case:
    def read(
        connection: Connection,
    ) -> tuple[StackRecord, list[ResourceRecord], TemplateSource, list[Finding]]:
        stack = stack_rows.get(connection, stack_id)
        assert stack is not None, "a live stack's row is there"
        if operation_rows.live_of_stack(connection, stack.root_id):
            raise Conflict(
                f"Stack {stack.name!r} has an operation under way.", remedy="Wait for its end."
            )
        return (
            stack,
            resource_rows.of_stack(connection, stack_id),
            stack_rows.load_source(connection, stack.source_id),
            drift_rows.open_findings(connection, [stack_id]),
        )

    stack, rows, source, findings = await control.database.read(read)
    raw = source.template
    if isinstance(raw, str):
        raw = (await computed(size_of(source), parse, raw)).data
    return _Case(
        caller=caller,
        stack=stack,
        rows=rows,
        loaded=await load_stack(control, stack),
        source=source,
        raw=raw,
        open=findings,
    )


async def _placed(control: Control, case: _Case, finding: Finding) -> _Written:
    trial = await trial_of(control, case.stack, case.rows, finding)
    name, value = await said(control, trial)
    definition = case.loaded.graph.resources.get(trial.row.name)
    if definition is None:
        raise NotAcceptable(f"{trial.row.name} is no longer in the template")
    place = place_of(case.loaded.graph, definition, trial.kind.schema, name, case.raw)
    if isinstance(place, Nowhere):
        raise NotAcceptable(f"{place.reason}: change that in the template")
    return _Written(trial=trial, place=place, value=value)


async def _write(control: Control, case: _Case, written: Sequence[_Written]) -> None:
    request = await computed(size_of(case.source), _request, case.source, written)
    after, source, loaded = await wanted_update(control, case.stack, request)
    by_row: dict[str, list[Trial]] = {}
    for each in written:
        by_row.setdefault(each.trial.row.id, []).append(each.trial)
    changed = {
        row_id: await _row_after(control, case, loaded, trials) for row_id, trials in by_row.items()
    }
    rows = [changed.get(row.id, row) for row in case.rows]
    await _refuse_more(control, case, loaded, rows, {row.name for row in changed.values()})
    sequences = [each.trial.finding.sequence for each in written]
    kept = list(changed.values())
    await control.database.write(_Store(control, case, source, loaded, rows, kept, sequences))
    control.machine.nudges.nudge(after.id)


def _request(source: TemplateSource, written: Sequence[_Written]) -> UpdateRequest:
    """The update of template and parameters that says it all."""
    request = UpdateRequest(existing=True)
    template: Any = source.template
    for each in written:
        if isinstance(each.place, InParameter):
            known = request.parameters.get(each.place.name, each.value)
            if known != each.value:
                raise NotAcceptable(
                    f"the parameter {each.place.name} would need {known!r} and {each.value!r}"
                )
            parameters = {**request.parameters, each.place.name: each.value}
            request = replace(request, parameters=parameters)
            continue
        put = with_value if isinstance(template, str) else put_value
        template = put(template, each.place.path, each.value)
        request = replace(request, template=template, template_name=source.template_name)
    return request


async def _row_after(
    control: Control, case: _Case, loaded: Loaded, trials: Sequence[Trial]
) -> ResourceRecord:
    """The row as an operation with the new template would leave it."""
    row = trials[0].row
    current = {each.name: each for each in case.rows if each.replaced_by is None}
    lookup = RowLookup(current, reference_of(control.registry, case.stack))
    properties = desired_properties(loaded, row.name, lookup)
    attributes = row.attributes
    if trials[0].kind.attributes is not None:
        attributes = await trials[0].kind.attributes(context(control, trials[0], properties))
    paths = [each.finding.difference.path for each in trials]
    if len(trials) < [each.difference.resource_id for each in case.open].count(row.id):
        attributes = _with_these(row.attributes, attributes, paths)
    return structs.replace(
        row,
        properties=properties,
        attributes=attributes,
        reason=f"Drift accepted: {', '.join(paths)} as on the cloud",
        updated_at=control.clock.now(),
    )


def _with_these(
    was: Mapping[str, Any], now: Mapping[str, Any], names: Sequence[str]
) -> dict[str, Any]:
    """What drifts besides stays as it was left, so that it goes on being found."""
    seen = now.get("show") or {}
    shown = {**(was.get("show") or {}), **{name: seen.get(name) for name in names}}
    return {**was, **{name: now[name] for name in names if name in now}, "show": shown}


async def _refuse_more(
    control: Control,
    case: _Case,
    loaded: Loaded,
    rows: Sequence[ResourceRecord],
    names: Collection[str],
) -> None:
    """The next plan must do nothing that it would not have done before."""
    before = await _plan(control, case, case.loaded, case.rows)
    after = await _plan(control, case, loaded, rows)
    known = {step.resource for step in before.steps} - set(names)
    more = [step for step in after.steps if step.resource not in known]
    if more:
        told = "; ".join(f"{step.resource}: {step.reason}" for step in more[:5])
        raise NotAcceptable(f"it would change more than {', '.join(sorted(names))} ({told})")


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
    """Writes the source, the rows and the findings' end, or raises when something has moved."""

    control: Control
    case: _Case
    source: TemplateSource
    loaded: Loaded
    rows: Sequence[ResourceRecord]
    changed: Sequence[ResourceRecord]
    sequences: Sequence[int]

    def __call__(self, connection: Connection) -> None:
        case, machine = self.case, self.control.machine
        at = self.control.clock.now()
        now = stack_rows.get(connection, case.stack.id)
        if now is None or self._moved(connection, now):
            raise Conflict(
                f"Stack {case.stack.name!r} was changed by someone else in this moment.",
                remedy="Look at it and accept the drift again.",
            )
        source_id = stack_rows.add_source(connection, self.source, at)
        outputs, errors = outputs_of(machine, now, self.loaded, list(self.rows))
        stored = replace(
            now, source_id=source_id, updated_at=at, outputs=outputs, output_errors=errors
        )
        if holds_secrets(self.loaded, self.control.settings.secret_parameters):
            mark_confidential(connection, now.root_id)
        stack_rows.save(connection, stored)
        resource_rows.save(connection, self.changed)
        drift_rows.end(connection, self.sequences, Ending.ACCEPTED, at)
        event_rows.add(connection, [machine.resource_event(row) for row in self.changed])
        if now.source_id not in {source_id, now.previous_source_id}:
            stack_rows.let_go_of_sources(connection, [now.source_id])

    def _moved(self, connection: Connection, now: StackRecord) -> bool:
        if operation_rows.live_of_stack(connection, now.id):
            return True
        versions = resource_rows.versions_of(connection, now.id)
        moved = any(versions.get(row.id) != row.version for row in self.changed)
        return moved or now.source_id != self.case.stack.source_id
