"""Which goes first in a replacement: the new object, or the old one.

As in Heat the new one is made first, and the old one goes when everything has moved: nothing is
missing in between, and a failure leaves the old one. That cannot work where the two exclude each
other: a name, an address, a port of a load balancer that only one may have. Types say when that is
so (`TypeFacts.old_first`), and a template may ask for either order in a resource's metadata:

    metadata: {"mantle:replace": delete_first}       # or create_first

Deleting first reaches as far as it must: whatever is replaced as well and uses the old object goes
before it, in reverse order, and what uses the new one comes after it. What is only changed in place
stays, and does without it meanwhile.

`mantle:replace_on_failure` says what becomes of a resource that failed: `true` replaces it whatever
failed, `false` never does (it is taken up again as it is); without it a failed creation or check is
replaced, a failed change is changed again.
"""

from collections.abc import Collection, Mapping, Sequence
from enum import StrEnum

from msgspec import structs

from mantle.model.errors import Findings, Path
from mantle.model.ids import ResourceId, StepKey
from mantle.model.plan import Step, StepKind
from mantle.model.values import Unknown, Value
from mantle.plan.order import dependencies_first

KEY = "mantle:replace"
ON_FAILURE = "mantle:replace_on_failure"

REMOVING = {StepKind.DELETE, StepKind.SNAPSHOT}

_TRUE = {"true", "yes", "on", "1", "t", "y"}
_FALSE = {"false", "no", "off", "0", "f", "n"}


class Turn(StrEnum):
    """Whose turn it is first."""

    CREATE_FIRST = "create_first"
    DELETE_FIRST = "delete_first"


def asked(metadata: Value) -> Turn | None:
    """What the metadata asks for; None when it says nothing, or nothing known yet."""
    value = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    return Turn(value) if isinstance(value, str) and value in set(Turn) else None


def on_failure(metadata: Value) -> bool | None:
    """Whether a failed resource is to be replaced; None when the metadata does not say."""
    value = metadata.get(ON_FAILURE) if isinstance(metadata, Mapping) else None
    if isinstance(value, bool):
        return value
    said = str(value).strip().lower()
    return True if said in _TRUE else False if said in _FALSE else None


def check(metadata: Value, path: Path, findings: Findings) -> None:
    """Refuse what would silently mean nothing."""
    if not isinstance(metadata, Mapping):
        return
    said = {KEY: asked, ON_FAILURE: on_failure}
    may = {KEY: " or ".join(Turn), ON_FAILURE: "true or false"}
    for key, read in said.items():
        value = metadata.get(key)
        if value is None or isinstance(value, Unknown) or read(metadata) is not None:
            continue
        findings.add(
            "replacement-order",
            f"{key} must be {may[key]}, not {str(value)[:40]!r}.",
            (*path, "metadata", key),
            remedy=f"Use {may[key]}, or leave it out.",
        )


def turned(steps: Sequence[Step], first: Mapping[ResourceId, str]) -> list[Step]:
    """The steps with the removal of these rows before the creation of what replaces them.

    `first` says why, by row. A row that is kept on its cloud gives nothing free and stays behind.
    """
    removals = {step.key: step for step in steps if step.kind in REMOVING}
    ends = {step.resource_id: step.key for step in steps if step.kind is StepKind.DELETE}
    first = {row: why for row, why in first.items() if row in ends}
    if not first:
        return list(steps)
    made = {step.key: step.replaces for step in steps if step.replaces in first}
    late = _users(steps, made.keys(), removals)
    early = _used(removals, [key for key, step in removals.items() if step.resource_id in first])
    found: dict[StepKey, Step] = {}
    for step in steps:
        changed = step
        if step.key in early:
            kept = tuple(key for key in step.requires if key not in late)
            changed = structs.replace(step, requires=kept)
        replaced = made.get(step.key)
        if replaced is not None:
            requires = (*step.requires, ends[replaced])
            changed = structs.replace(step, requires=requires, old_first=first[replaced])
        found[step.key] = changed
    order = dependencies_first({key: step.requires for key, step in found.items()})
    return [found[key] for key in order]


def _users(
    steps: Sequence[Step], made: Collection[StepKey], removals: Mapping[StepKey, Step]
) -> set[StepKey]:
    """These steps, and the others that bring something about and need one of them."""
    late = set(made)
    for step in steps:
        if step.key not in removals and any(key in late for key in step.requires):
            late.add(step.key)
    return late


def _used(removals: Mapping[StepKey, Step], rows: Sequence[StepKey]) -> set[StepKey]:
    """These removals, and those they wait for: of what uses what they remove."""
    early: set[StepKey] = set()
    pending = list(rows)
    while pending:
        key = pending.pop()
        if key not in early:
            early.add(key)
            pending += [other for other in removals[key].requires if other in removals]
    return early
