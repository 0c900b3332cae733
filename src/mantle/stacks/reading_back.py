"""What a live value is as a property: the one that, tried out, asks for exactly what is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from mantle.clouds.ports import CloudError, CloudObject, Missing
from mantle.engine.deeds import name_hint
from mantle.engine.operation import ref_of
from mantle.model.drift import GONE, STATUS, Finding
from mantle.model.errors import MantleError
from mantle.model.records import ResourceRecord, StackRecord
from mantle.plan.drift import as_left, is_settled
from mantle.resources.inverse import Inverse, Peers, flat
from mantle.resources.kit import Context, ResourceType
from mantle.stacks.control import Control


class NotAcceptable(Exception):
    """This drift cannot be accepted; the text says why, and what stands in the way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One finding, with all that is needed to try out what its live value is."""

    finding: Finding
    stack: StackRecord
    row: ResourceRecord
    rows: Sequence[ResourceRecord]
    kind: ResourceType
    inverse: Inverse
    live: CloudObject


async def trial_of(
    control: Control, stack: StackRecord, rows: Sequence[ResourceRecord], finding: Finding
) -> Trial:
    """With the object as it is in this moment; raises `NotAcceptable`."""
    where = finding.difference
    row = next((each for each in rows if each.id == where.resource_id), None)
    if row is None or not is_settled(row):
        raise NotAcceptable(
            f"{where.resource} is not as an operation left it; update the stack first"
        )
    if where.path == GONE:
        raise NotAcceptable(
            f"{where.resource} is missing: to accept that, take it out of the template; to have it "
            "made again, correct it"
        )
    if where.path == STATUS:
        raise NotAcceptable(f"the state of {where.resource} is nothing a template says")
    if stack.parent_id is not None:
        raise NotAcceptable(
            f"{where.resource} is in a stack inside: {stack.parent_resource} makes its template; "
            "change its definition in the stack above"
        )
    kind = control.registry.types.get(row.resolved_type)
    if kind is None or kind.inverse is None or kind.live is None:
        raise NotAcceptable(f"{row.type} has no value that could be read back")
    try:
        live = await kind.live(control.machine.session(stack)).get(row.physical_id or "")
    except Missing:
        raise NotAcceptable(f"{where.resource} is missing by now") from None
    return Trial(
        finding=finding,
        stack=stack,
        row=row,
        rows=rows,
        kind=kind,
        inverse=kind.inverse,
        live=live,
    )


async def said(control: Control, trial: Trial) -> tuple[str, Any]:
    """The property, and its value, that asks for what is there and changes nothing else."""
    field = trial.finding.difference.path
    actual = _plain(trial.live).get(field)
    asked = _plain(await trial.inverse.dry_spec(context(control, trial, trial.row.properties)))
    told = []
    for name, value in _candidates(trial, field):
        properties = {**trial.row.properties, name: value}
        try:
            found = _plain(await trial.inverse.dry_spec(context(control, trial, properties)))
        except (MantleError, CloudError, KeyError, TypeError, ValueError) as error:
            told.append(str(error))
            continue
        others = {name for name in found if not as_left(found[name], asked.get(name))}
        if as_left(found.get(field), actual) and others <= {field}:
            return name, value
    why = f" ({'; '.join(told)})" if told else ""
    raise NotAcceptable(f"no property of {trial.row.type} says {field} as it is there{why}")


def _candidates(trial: Trial, field: str) -> list[tuple[str, Any]]:
    """Each property that the object says otherwise, the one of the field's name first."""
    written = {
        name: _tidy(value)
        for name, value in trial.inverse.written(trial.live, Peers()).items()
        if name not in trial.inverse.unreadable
    }
    was = trial.row.properties
    differing = [name for name in written if not as_left(written[name], was.get(name))]
    return [(name, written[name]) for name in sorted(differing, key=lambda name: name != field)]


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
    return flat(msgspec.json.decode(msgspec.json.encode(spec)))


def context(control: Control, trial: Trial, properties: Mapping[str, Any]) -> Context:
    """What the type's functions may use, with these properties instead of the row's."""
    ref = ref_of(trial.row, trial.stack)
    now = control.clock.now()

    async def config_text(config_id: str) -> str | None:
        for row in trial.rows:
            if row.id == config_id and control.registry.get(row.resolved_type).holds_config:
                return str(row.attributes.get("config", ""))
        return await control.machine.config_text(config_id, trial.stack.project_id)

    return Context(
        ref=ref,
        properties=properties,
        before=trial.row.properties,
        metadata=trial.row.metadata,
        cloud=control.machine.session(trial.stack),
        now=now,
        started_at=now,
        random=control.random,
        callbacks=control.machine.links,
        name_hint=name_hint(
            trial.stack.name, trial.row.name, trial.row.token, trial.kind.schema.name_limit
        ),
        config_text=config_text,
    )
