"""Parts of a plan: what someone includes or excludes, and waves.

A step needs its requirements done or in the same part. What is included brings them along; what is
excluded takes along whatever needs it. Both are told. The removal of a replaced row is different:
it waits for everyone who used the row, and nobody is dragged into a part for it; it stays behind
and is done in the first part in which nothing is in its way.
"""

import difflib
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from mantle.model.errors import MantleError
from mantle.model.ids import PlanId, StepKey
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.saved import Gate, Wave, WaveSpec
from mantle.model.status import Action

MOST_WAVES = 200
REMOVING = {StepKind.DELETE, StepKind.FORGET, StepKind.SNAPSHOT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Steps chosen from a plan, in its order."""

    steps: tuple[StepKey, ...]
    added: Mapping[str, str] = field(default_factory=dict)
    """Resources nobody named, with who needs them."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Resources that stay behind, with what they need."""


def select(
    plan: Plan,
    *,
    done: Collection[StepKey] = (),
    include: Collection[str] = (),
    exclude: Collection[str] = (),
) -> Part:
    """The steps that are to be done now; raises `MantleError` for a name the plan does not have."""
    todo = {step.key: step for step in plan.steps if step.key not in done}
    _check_names(plan, [*include, *exclude], todo.values())
    added: dict[str, str] = {}
    chosen = set(todo)
    if include:
        chosen = _closed(todo, include, added)
    left_out: dict[str, str] = {}
    chosen = _reduced(todo, chosen, exclude, left_out, done)
    if not chosen:
        raise MantleError(
            "Nothing of the plan is chosen.",
            remedy="Include something that is pending, or exclude less.",
        )
    for name in set(added) - {todo[key].resource for key in chosen}:
        del added[name]
    return Part(
        steps=tuple(step.key for step in plan.steps if step.key in chosen),
        added=added,
        left_out=left_out,
    )


def _check_names(plan: Plan, names: Iterable[str], todo: Iterable[Step]) -> None:
    pending = {step.resource for step in todo}
    for name in names:
        if name in pending:
            continue
        if any(step.resource == name for step in plan.steps):
            raise MantleError(f"Of {name!r} everything in the plan is done.")
        near = difflib.get_close_matches(name, pending, 1)
        raise MantleError(
            f"The plan has no step for {name[:255]!r}.",
            remedy=f"Did you mean {near[0]!r}?" if near else "See `mantle plan show`.",
        )


def _closed(
    todo: Mapping[StepKey, Step], include: Collection[str], added: dict[str, str]
) -> set[StepKey]:
    """The steps of these resources with all they require."""
    forward = {step.resource for step in todo.values() if step.kind not in REMOVING}
    chosen: set[StepKey] = set()
    late = {
        key
        for key, step in todo.items()
        if step.kind in REMOVING and step.resource in include and step.resource in forward
    }
    pending = [key for key, step in todo.items() if step.resource in include and key not in late]
    while pending:
        key = pending.pop()
        if key in chosen:
            continue
        chosen.add(key)
        for required in todo[key].requires:
            if required in todo and required not in chosen:
                name = todo[required].resource
                if name not in include:
                    added.setdefault(name, todo[key].resource)
                pending.append(required)
    return chosen | late


def _reduced(
    todo: Mapping[StepKey, Step],
    chosen: set[StepKey],
    exclude: Collection[str],
    left_out: dict[str, str],
    done: Collection[StepKey],
) -> set[StepKey]:
    """Without what is excluded, and without what then misses something. Steps are in order."""
    kept: set[StepKey] = set()
    for key, step in todo.items():
        if key not in chosen:
            continue
        if step.resource in exclude:
            left_out.setdefault(step.resource, "it is excluded")
            continue
        missing = [
            required for required in step.requires if required not in kept and required not in done
        ]
        if missing:
            names = ", ".join(sorted({str(required) for required in missing})[:5])
            left_out.setdefault(step.resource, f"it comes after {names}")
            continue
        kept.add(key)
    return kept


def split(plan: Plan, specs: Sequence[WaveSpec]) -> tuple[Wave, ...]:
    """The plan in waves. One share or layer alone is repeated; what is left over is a last wave.

    A replaced row is removed in the first wave in which nobody uses it any more.
    """
    if not specs:
        return ()
    if len(specs) > MOST_WAVES:
        raise MantleError(f"A plan can have {MOST_WAVES} waves; these are {len(specs)}.")
    for each in specs:
        _check_spec(each)
    repeat = len(specs) == 1 and not specs[0].resources
    names = list(dict.fromkeys(step.resource for step in plan.steps))
    assigned: set[StepKey] = set()
    waves: list[Wave] = []
    pending = list(specs)
    while len(assigned) < len(plan.steps):
        spec = pending.pop(0) if pending else (specs[0] if repeat else None)
        wanted = _wanted(plan, spec, names, assigned)
        gate = Gate.NONE if spec is None else spec.gate
        steps = _wave(plan, wanted, assigned)
        if not steps:
            if spec is None or repeat:
                steps = [step.key for step in plan.steps if step.key not in assigned]
            else:
                continue
        assigned.update(steps)
        waves.append(Wave(steps=tuple(steps), gate=gate))
        if len(waves) > MOST_WAVES:
            raise MantleError(
                f"This makes more than {MOST_WAVES} waves.", remedy="Take a larger share."
            )
    return tuple(waves)


def _check_spec(spec: WaveSpec) -> None:
    says = [bool(spec.resources), spec.layer, spec.percent is not None]
    if says.count(True) != 1:
        raise MantleError("A wave is described by resources, by a percent, or as a layer.")
    if spec.percent is not None and not 0 < spec.percent <= 100:
        raise MantleError(
            f"A wave of {spec.percent} percent is not possible.",
            remedy="Give more than 0 and at most 100.",
        )


def _wanted(
    plan: Plan, spec: WaveSpec | None, names: Sequence[str], assigned: Collection[StepKey]
) -> list[str]:
    left = {step.resource for step in plan.steps if step.key not in assigned}
    if spec is None:
        return [name for name in names if name in left]
    if spec.resources:
        _check_names(plan, spec.resources, plan.steps)
        return [name for name in spec.resources if name in left]
    if spec.layer:
        free = {
            step.resource
            for step in plan.steps
            if step.key not in assigned and all(key in assigned for key in step.requires)
        }
        return [name for name in names if name in free]
    assert spec.percent is not None, "checked before"
    count = max(1, math.ceil(len(names) * spec.percent / 100))
    fresh = [name for name in names if name in left]
    begun = {step.resource for step in plan.steps if step.key in assigned}
    return [name for name in fresh if name not in begun][:count] or fresh


def _wave(plan: Plan, wanted: Sequence[str], assigned: set[StepKey]) -> list[StepKey]:
    todo = {step.key: step for step in plan.steps if step.key not in assigned}
    closed = _closed(todo, wanted, {}) if wanted else set()
    kept = _reduced(todo, closed, (), {}, assigned)
    begun = {step.resource for step in plan.steps if step.key in assigned}
    for key, step in todo.items():
        free = all(required in kept or required in assigned for required in step.requires)
        if key not in kept and step.kind in REMOVING and step.resource in begun and free:
            kept.add(key)
    return [key for key in todo if key in kept]


def part_of(plan: Plan, part: Collection[StepKey], part_id: PlanId, *, fresh: bool) -> Plan:
    """The chosen steps as a plan that binds; what is done already is required no more.

    `fresh`: the stack does not exist yet. Later parts of its creation are updates of it.
    """
    action = plan.action
    if action is Action.CREATE and not fresh:
        action = Action.UPDATE
    steps = tuple(
        structs.replace(step, requires=tuple(key for key in step.requires if key in part))
        for step in plan.steps
        if step.key in part
    )
    touched = {row for step in steps for row in (step.resource_id, step.replaces) if row}
    return replace(
        plan,
        id=part_id,
        action=action,
        steps=steps,
        based_on={row: version for row, version in plan.based_on.items() if row in touched},
        part_of=plan.id,
        whole=len(steps) == len(plan.steps),
    )
