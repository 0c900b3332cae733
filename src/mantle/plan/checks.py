"""What must hold of every plan, whatever it was made from; the answer is what is wrong."""

from collections.abc import Iterator, Mapping, Sequence

from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Plan, Step, StepKind
from mantle.model.values import unknowns_in
from mantle.plan.order import dependents, find_cycle
from mantle.plan.steps import waits_for

MAKING = {StepKind.CREATE, StepKind.UPDATE}
REMOVING = {StepKind.DELETE, StepKind.FORGET}
PAIRS = (
    [StepKind.SNAPSHOT, StepKind.DELETE],
    *([kind, StepKind.RESTORE] for kind in (StepKind.CREATE, StepKind.UPDATE, StepKind.ADOPT)),
)
"""The steps that one row may have after one another."""


def check(plan: Plan) -> list[str]:
    """Every broken invariant in words; empty for a good plan."""
    return [
        *_keys(plan),
        *_order(plan),
        *_rows(plan),
        *_basis(plan),
        *_names(plan),
        *_replacements(plan),
        *_unknowns(plan),
    ]


def _keys(plan: Plan) -> Iterator[str]:
    seen: set[StepKey] = set()
    for step in plan.steps:
        if step.key in seen:
            yield f"two steps are called {step.key!r}"
        if not step.reason:
            yield f"{step.key!r} has no reason"
        seen.add(step.key)


def _order(plan: Plan) -> Iterator[str]:
    keys = {step.key for step in plan.steps}
    before: set[StepKey] = set()
    for step in plan.steps:
        for required in step.requires:
            if required not in keys:
                yield f"{step.key!r} requires {required!r}, which is no step"
            elif required not in before:
                yield f"{step.key!r} stands before {required!r}, which it requires"
        before.add(step.key)
    cycle = find_cycle({step.key: step.requires for step in plan.steps})
    if cycle:
        yield f"a cycle: {' -> '.join(cycle)}"


def _rows(plan: Plan) -> Iterator[str]:
    """Each row has one step, but for a snapshot before the delete, and contents put back."""
    steps: dict[ResourceId, list[Step]] = {}
    tokens: dict[str, ResourceId] = {}
    for step in plan.steps:
        steps.setdefault(step.resource_id, []).append(step)
        if tokens.setdefault(step.token, step.resource_id) != step.resource_id:
            yield f"{step.key!r} has the token of another row"
    for row, mine in steps.items():
        kinds = [step.kind for step in mine]
        if len(kinds) > 1 and kinds not in PAIRS:
            yield f"row {row} has steps {', '.join(kinds)}"


def _basis(plan: Plan) -> Iterator[str]:
    """The plan knows the version of every row that it found and will touch."""
    touched = {step.resource_id for step in plan.steps}
    touched |= {step.replaces for step in plan.steps if step.replaces}
    for step in plan.steps:
        if step.kind is not StepKind.CREATE and step.resource_id not in plan.based_on:
            yield f"{step.key!r} touches a row whose version the plan does not record"
    for row in plan.based_on:
        if row not in touched:
            yield f"row {row} is recorded, but no step touches it"
    if plan.expires_at < plan.made_at:
        yield "it expires before it is made"


def _names(plan: Plan) -> Iterator[str]:
    made = [step.resource for step in plan.steps if step.kind in MAKING]
    for name in plan.unchanged:
        if name in made:
            yield f"{name!r} is unchanged and has a step"
    for name in {name for name in made if made.count(name) > 1}:
        yield f"{name!r} is made twice"


def _replacements(plan: Plan) -> Iterator[str]:
    """A replaced row goes, after its replacement and all that moves to it."""
    leaving = {step.resource_id: step for step in plan.steps if step.kind in REMOVING}
    users = dependents({step.key: step.requires for step in plan.steps})
    by_key = {step.key: step for step in plan.steps}
    for step in plan.steps:
        if step.kind is not StepKind.CREATE or step.replaces is None:
            continue
        end = leaving.get(step.replaces)
        if end is None:
            continue
        if step.old_first:
            if end.key not in _all_before(step, by_key):
                yield f"{step.key!r} does not wait for {end.key!r}"
            continue
        if any(by_key[key].old_first for key in _all_after(end.key, users)):
            continue  # what it uses goes before, and takes it along
        moving = [key for key in users.get(step.key, ()) if by_key[key].kind in MAKING]
        earlier = _all_before(end, by_key)
        for key in [step.key, *moving]:
            if key not in earlier:
                yield f"{end.key!r} does not wait for {key!r}"


def _all_before(step: Step, by_key: dict[StepKey, Step]) -> set[StepKey]:
    earlier: set[StepKey] = set()
    pending = list(step.requires)
    while pending:
        key = pending.pop()
        if key not in earlier and key in by_key:
            earlier.add(key)
            pending.extend(by_key[key].requires)
    return earlier


def _all_after(key: StepKey, users: Mapping[StepKey, Sequence[StepKey]]) -> set[StepKey]:
    later: set[StepKey] = set()
    pending = list(users.get(key, ()))
    while pending:
        other = pending.pop()
        if other not in later:
            later.add(other)
            pending.extend(users.get(other, ()))
    return later


def _unknowns(plan: Plan) -> Iterator[str]:
    """An unknown waits for something this plan makes, and the step requires it."""
    making = {step.resource: step.key for step in plan.steps if step.kind is StepKind.CREATE}
    for step in plan.steps:
        if step.unknown_after != waits_for(step.changes):
            yield f"{step.key!r} does not name just what its unknowns wait for"
        for name in step.unknown_after:
            if making.get(name) not in step.requires:
                yield f"{step.key!r} waits for {name!r} without requiring its creation"
        for change in step.changes:
            if unknowns_in(change.before):
                yield f"{step.key!r} does not know what {change.path} was"
