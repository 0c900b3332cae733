"""What a plan is bound to, and whether that has moved.

A plan is bound to the rows its steps touch and to the values its steps use, not to the stack. A row
whose version has grown is compared by what matters of it: a check that found all well moves
nothing. Values are compared by planning the part's resources again, with all others as they are:
the steps must come out with the same
kind, the same row and the same values. Where the plan said "known after a" and `a` has been made by
the plan itself, any value will do. Values a plan hides are compared by keyed hashes.
"""

import hashlib
import hmac
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mantle.model.graph import ResourceDefinition
from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Change, Plan, Step, StepKind
from mantle.model.records import ResourceRecord
from mantle.model.saved import Binding, BoundRow
from mantle.model.status import Action, Status
from mantle.model.values import Unknown, Value, unknowns_in, walk
from mantle.plan.diff import same
from mantle.plan.masking import MASKED
from mantle.plan.stack import Planned

FORWARD = {StepKind.CREATE, StepKind.UPDATE}


def bind(
    planned: Planned,
    rows: Sequence[ResourceRecord],
    definitions: Mapping[str, ResourceDefinition],
    key: bytes,
    nested: Mapping[StepKey, Mapping[str, Any]],
) -> Binding:
    """What the plan sees now. `nested` is what the stacks inside would do, by step and path."""
    by_id = {row.id: row for row in rows}
    by_name = {row.name: row for row in rows if row.replaced_by is None}
    touched: dict[ResourceId, BoundRow] = {}
    reads: dict[ResourceId, BoundRow] = {}
    seals: dict[StepKey, Mapping[str, str]] = {}
    for step in planned.plan.steps:
        for row_id in touched_by(step):
            if row_id in by_id:
                touched[row_id] = _bound(by_id[row_id], key)
        if step.kind not in FORWARD:
            continue
        for name in definitions[step.resource].references:
            if name in by_name:
                reads[by_name[name].id] = _bound(by_name[name], key)
        hidden = _hidden(step)
        if hidden:
            after = planned.after.get(step.resource, {})
            seals[step.key] = {name: seal(after.get(name), key) for name in hidden}
    return Binding(
        rows=touched,
        reads=reads,
        seals=seals,
        inside={
            step: {path: seal(what, key) for path, what in deeds.items()}
            for step, deeds in nested.items()
        },
    )


def touched_by(step: Step) -> tuple[ResourceId, ...]:
    """The rows a step works on that are there before it."""
    return tuple(row for row in (step.resource_id, step.replaces) if row is not None)


def moved(
    plan: Plan,
    binding: Binding,
    part: Collection[StepKey],
    done: Collection[StepKey],
    now: Planned,
    rows: Sequence[ResourceRecord],
    definitions: Mapping[str, ResourceDefinition],
    key: bytes,
    nested: Mapping[StepKey, Mapping[str, Any]],
) -> list[str]:
    """Why this part can no longer be done as planned, each reason with the resource it is about."""
    by_id = {row.id: row for row in rows}
    made = {step.resource for step in plan.steps if step.key in done}
    steps = [step for step in plan.steps if step.key in part]
    found: dict[str, str] = {}
    for step in steps:
        why = next(_row_moved(step, binding, by_id, key), None)
        if why is None:
            why = next(_step_moved(step, made, now, binding, key, nested), None)
            if why is not None and step.kind in FORWARD:
                why += _readers(step, binding, by_id, definitions, key)
        if why is not None:
            found.setdefault(step.resource, why)
    return [f"{name}: {why}" for name, why in found.items()]


def _bound(row: ResourceRecord, key: bytes) -> BoundRow:
    return BoundRow(name=row.name, version=row.version, print=seal(_matter(row), key))


def print_of(row: ResourceRecord, key: bytes) -> str:
    """A keyed hash of what matters of a row."""
    return seal(_matter(row), key)


def _matter(row: ResourceRecord) -> dict[str, Any]:
    """What of a row a plan is about: not when it was written, nor which good state it is in."""
    unmade = row.action in {Action.INIT, Action.CREATE, Action.ADOPT}
    state = "good" if row.status is Status.COMPLETE else row.state
    if row.action is Action.DELETE or (unmade and row.status is not Status.COMPLETE):
        state = row.state
    return {
        "state": "unmade" if row.action is Action.INIT else state,
        "suspended": row.action is Action.SUSPEND,
        "type": row.type,
        "resolved_type": row.resolved_type,
        "physical_id": row.physical_id,
        "properties": row.properties,
        "attributes": row.attributes,
        "metadata": row.metadata,
        "requires": sorted(row.requires),
        "deletion_policy": str(row.deletion_policy),
        "replaces": row.replaces,
        "digest": row.data.get("digest"),
    }


def seal(value: Any, key: bytes) -> str:
    """A keyed hash: equal values have equal seals, and without the key nobody can try values."""
    text = json.dumps(value, sort_keys=True, default=_plain, separators=(",", ":"))
    return hmac.new(key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:32]


def _plain(value: object) -> Any:
    if isinstance(value, Unknown):
        return {"unknown": list(value.after)}
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)


def _hidden(step: Step) -> list[str]:
    """Top properties of which the plan does not show everything."""
    return sorted(
        {
            top(change.path)
            for change in step.changes
            for part in walk([change.before, change.after])
            if isinstance(part, str) and MASKED in part and not change.path.startswith("@")
        }
    )


def top(path: str) -> str:
    """The property a path is in."""
    return path.partition(".")[0].partition("[")[0]


def _row_moved(
    step: Step,
    binding: Binding,
    rows: Mapping[ResourceId, ResourceRecord],
    key: bytes,
) -> Iterator[str]:
    for row_id in touched_by(step):
        bound, row = binding.rows.get(row_id), rows.get(row_id)
        if bound is None and row is not None and row.physical_id is not None:
            yield f"it was begun by an earlier try and is {row.state}"
        if bound is None:
            continue
        if row is None or row.state == "DELETE_COMPLETE":
            yield "it is gone"
        elif row.status is Status.IN_PROGRESS:
            yield f"it is {row.state}"
        elif row.version != bound.version and seal(_matter(row), key) != bound.print:
            yield f"it has changed since the plan was made (now {row.state})"


def _step_moved(
    step: Step,
    made: Collection[str],
    now: Planned,
    binding: Binding,
    key: bytes,
    nested: Mapping[StepKey, Mapping[str, Any]],
) -> Iterator[str]:
    others = [other for other in now.plan.steps if other.resource == step.resource]
    twin = next((other for other in others if _is_twin(step, other)), None)
    resolved = bool(step.unknown_after) and set(step.unknown_after) <= set(made)
    if twin is None:
        if resolved and step.resource in now.plan.unchanged:
            return
        if step.kind is StepKind.CREATE and step.replaces is None:
            yield "it exists already" if not others else f"it would now be: {others[0].key}"
        elif not others:
            yield f"there is nothing left to {step.kind}"
        else:
            needs = "a replacement" if others[0].replaces else f"{others[0].key}"
            yield f"it would now need {needs}, which is not in the plan: {others[0].reason}"
        return
    if step.digest != twin.digest:
        yield "the templates inside it have changed"
    yield from _values_moved(step, twin, made)
    for name, was in binding.seals.get(step.key, {}).items():
        value = now.after.get(step.resource, {}).get(name)
        if not resolved and seal(value, key) != was:
            yield f"{name}, which the plan hides, would get another value"
    if step.key in binding.inside:
        now_inside = {path: seal(what, key) for path, what in nested.get(step.key, {}).items()}
        yield from _inside_moved(binding.inside[step.key], now_inside)
    elif step.key in binding.nested:
        yield "the plan was saved by an earlier release, which did not keep what is inside"


def _inside_moved(planned: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    """Which resources of the stacks inside would be treated otherwise than the plan says."""
    told = [
        f"{path} would be treated otherwise" if path in now else f"{path} needs nothing any more"
        for path in planned
        if now.get(path) != planned[path]
    ]
    told += [f"{path} would be touched too" for path in now if path not in planned]
    if told:
        more = f", and {len(told) - 5} more" if len(told) > 5 else ""
        yield f"inside it, {', '.join(told[:5])}{more}"


def _is_twin(step: Step, other: Step) -> bool:
    if other.kind is not step.kind:
        # A create that was planned and not begun goes on with its own row.
        return False
    if step.kind is StepKind.CREATE:
        return step.replaces == other.replaces or other.resource_id == step.resource_id
    return other.resource_id == step.resource_id


def _values_moved(step: Step, twin: Step, made: Collection[str]) -> Iterator[str]:
    planned, now = _grouped(step.changes), _grouped(twin.changes)
    for name in dict.fromkeys([*planned, *now]):
        was, becomes = planned.get(name, []), now.get(name, [])
        unknown = [one for change in was for one in unknowns_in(change.after)]
        if unknown and {each for one in unknown for each in one.after} <= set(made):
            continue
        if len(was) != len(becomes) or not all(map(_equal, was, becomes)):
            change = becomes[0] if becomes else None
            if change is None:
                yield f"{name} would no longer change"
            elif not was:
                yield f"{name} would change too"
            elif _shows(change) and _shows(was[0]):
                yield (
                    f"{change.path} would change from {change.before!r} to {change.after!r}, and "
                    f"the plan says from {was[0].before!r} to {was[0].after!r}"
                )
            else:
                yield f"{name} would get another value"


def _shows(change: Change) -> bool:
    return not unknowns_in([change.before, change.after])


def _equal(one: Change, other: Change) -> bool:
    return (
        one.path == other.path
        and one.forces_replacement == other.forces_replacement
        and same(one.before, other.before)
        and same(one.after, other.after)
    )


def _grouped(changes: Sequence[Change]) -> dict[str, list[Change]]:
    groups: dict[str, list[Change]] = {}
    for change in changes:
        groups.setdefault(top(change.path), []).append(change)
    return groups


def _readers(
    step: Step,
    binding: Binding,
    rows: Mapping[ResourceId, ResourceRecord],
    definitions: Mapping[str, ResourceDefinition],
    key: bytes,
) -> str:
    """Which of the resources it reads have moved."""
    definition = definitions.get(step.resource)
    names = set(definition.references) if definition is not None else set()
    gone = [
        bound.name
        for row_id, bound in binding.reads.items()
        if bound.name in names
        and (row_id not in rows or seal(_matter(rows[row_id]), key) != bound.print)
    ]
    return f" (it reads {', '.join(sorted(gone))}, which changed since)" if gone else ""


# --- at run time -----------------------------------------------------------------------------


def strays(step: Step, before: Mapping[str, Value], after: Mapping[str, Value]) -> str | None:
    """Why these exact values are not what the step says; None when they are.

    Asked by the engine right before a step of a plan that binds. What the plan called unknown may
    be anything, and what it hides was compared when it was applied.
    """
    planned = _grouped(step.changes)
    for name, changes in planned.items():
        if name.startswith("@") or name not in after:
            continue
        for change in changes:
            if _hides(change) or not _shows(change):
                continue
            found, value = _value_at(after, change.path)
            if found and not same(value, change.after):
                # The present value is not told: it may be a secret by now.
                return f"{change.path} is no longer {change.after!r}, as the plan says"
    if step.kind is StepKind.UPDATE:
        for name, value in after.items():
            if name not in planned and not same(before.get(name, value), value):
                return f"{name} would change too, which is not in the plan"
    return None


def _hides(change: Change) -> bool:
    return any(
        isinstance(part, str) and MASKED in part for part in walk([change.before, change.after])
    )


def _value_at(values: Mapping[str, Value], path: str) -> tuple[bool, Value]:
    """The value at a change's path, when the path can be followed without doubt."""
    here: Any = values
    for part in path.replace("[", ".[").split("."):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdigit():
            number = int(part[1:-1])
            if not isinstance(here, list) or number >= len(here):
                return False, None
            here = here[number]
        elif isinstance(here, Mapping) and part in here:
            here = here[part]
        else:
            return False, None
    return True, here
