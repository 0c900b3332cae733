"""What becomes of an existing row when its resource is wanted: keep, update, continue, replace.

The rules are asked in order and the first that applies decides; `judge` reads as that list. Several
rows may bear one name, left by a replacement that did not come to its end: `choose` takes the one
that costs least to bring to what is wanted. So a rollback finds the old row as good as it was, and
a second attempt at the same update finds the replacement that the first one made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from mantle.model.drift import SEEN
from mantle.model.graph import DeletionPolicy, ResourceDefinition
from mantle.model.plan import Change
from mantle.model.records import ResourceRecord
from mantle.model.schema import TypeFacts
from mantle.model.status import Action, Status
from mantle.model.values import Value
from mantle.plan import drift
from mantle.plan.adoption import note_of
from mantle.plan.diff import (
    changes_between,
    described,
    metadata_changes,
    refused,
    replacement_reason,
)
from mantle.plan.masking import Mask
from mantle.plan.turn import on_failure


class Fate(IntEnum):
    """What is to be done to a row; the higher, the more it costs."""

    KEEP = 0
    UPDATE = 1
    CONTINUE = 2
    """Create it, on the same row with the same token: it was not begun, or not finished."""
    REFUSED = 3
    """The type does not allow the change. Cheaper than REPLACE, lest a broken sibling hide it."""
    REPLACE = 4
    ADOPT = -1
    """The row is there to take over an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One resource of the template, its values resolved as far as they are known."""

    definition: ResourceDefinition
    facts: TypeFacts
    properties: Mapping[str, Value]
    metadata: Value
    digest: str
    """Of the templates inside it; empty for types without."""
    renews: bool = False
    """Whether this is an update's own plan, which types that are `renewed` answer with a new one;
    not the look back that ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of the row, why, and what changes."""

    fate: Fate
    reason: str = ""
    changes: tuple[Change, ...] = ()


MAKING = {Action.INIT, Action.CREATE, Action.ADOPT}
"""While these are not complete, there is no resource to change."""

EXTERNAL = "@external_id"
"""The change of an adopted object's id, which Heat refuses."""

KEEP = Verdict(fate=Fate.KEEP)


def policy_of(definition: ResourceDefinition) -> DeletionPolicy:
    """What the row must remember: an adopted object is never deleted by us."""
    return DeletionPolicy.RETAIN if definition.external_id else definition.deletion_policy


def choose(
    rows: Sequence[ResourceRecord], wanted: Wanted, mask: Mask
) -> tuple[ResourceRecord, Verdict] | None:
    """The row to go on with, and its verdict; None when the resource has no row at all."""
    judged = [(row, judge(row, wanted, mask)) for row in rows]
    if len(judged) < 2:
        return judged[0] if judged else None
    return min(judged, key=lambda pair: (pair[1].fate, *_doubts(pair[0])))


def _doubts(row: ResourceRecord) -> tuple[bool, bool, bool, float, str]:
    """Among equals: not on its way out, not failed, not replaced already, the newest."""
    return (
        row.action is Action.DELETE,
        row.status is Status.FAILED,
        row.replaced_by is not None,
        -row.created_at,
        row.id,
    )


RENEW = "renew"
"""In a row's data: the properties that an update was asked for and found to need a new resource,
and why it does."""


def judge(row: ResourceRecord, wanted: Wanted, mask: Mask) -> Verdict:
    """Apply the replacement rules, in order."""
    definition = wanted.definition
    if row.action is Action.DELETE:
        return _replaced(f"its deletion had begun ({row.state})")
    if row.resolved_type != definition.resolved_type and not _both_templates(row, definition):
        return _replaced(f"its type changes from {row.type} to {definition.type}")
    if definition.external_id is not None:
        return _adopted(row, definition.external_id)
    note = note_of(row)
    if note is not None:
        return Verdict(fate=Fate.ADOPT, reason=f"takes over {note.get('resource_id')}")
    if row.action is Action.INIT and row.physical_id is None:
        return Verdict(fate=Fate.CONTINUE, reason="it was planned but not begun")
    changes = changes_between(wanted.facts.schema, row.properties, wanted.properties, mask)
    renew = on_failure(wanted.metadata)
    if row.action in MAKING and row.status is not Status.COMPLETE:
        return _unfinished(row, changes, renew=renew)
    seen = drift.note_of(row)
    if seen is not None and seen["lost"]:
        return _replaced("; ".join(seen["told"]), changes)
    if row.status is Status.FAILED and (renew or (renew is None and row.action is Action.CHECK)):
        return _replaced(f"it is {row.state}: {row.reason}")
    if wanted.facts.renewed and wanted.renews:
        return _replaced("every update makes a new one", changes)
    found = row.data.get(RENEW)
    if found is not None and not changes_between(
        wanted.facts.schema, found["after"], wanted.properties
    ):
        return _replaced(str(found["reason"]), changes)
    return _changed(row, wanted, changes, mask)


def _replaced(reason: str, changes: tuple[Change, ...] = ()) -> Verdict:
    return Verdict(fate=Fate.REPLACE, reason=reason, changes=changes)


def _both_templates(row: ResourceRecord, definition: ResourceDefinition) -> bool:
    """A nested stack whose template file moved is still that stack."""
    return definition.is_template and row.resolved_type.endswith((".yaml", ".yml", ".template"))


def _adopted(row: ResourceRecord, external_id: str) -> Verdict:
    """An adopted object's properties are not ours to compare."""
    if row.physical_id == external_id:
        return KEEP
    if row.action in MAKING and row.physical_id is None:
        return Verdict(fate=Fate.CONTINUE, reason=f"adopts existing {external_id}")
    change = Change(path=EXTERNAL, before=row.physical_id, after=external_id)
    return Verdict(fate=Fate.REFUSED, changes=(change,))


def _unfinished(row: ResourceRecord, changes: tuple[Change, ...], *, renew: bool | None) -> Verdict:
    """A create that was interrupted goes on only if it is still what is wanted.

    The cloud may hold the object already, made with the row's properties: the same token would
    find it and take it for the new one.
    """
    if row.status is Status.FAILED and renew is False and not changes:
        return Verdict(fate=Fate.CONTINUE, reason=f"it is taken up again: it is {row.state}")
    if row.status is Status.FAILED:
        return _replaced(f"it is {row.state}: {row.reason}")
    if changes:
        return _replaced(f"its creation was interrupted, and {described(changes)}", changes)
    return Verdict(fate=Fate.CONTINUE, reason="its creation was interrupted")


def _changed(
    row: ResourceRecord, wanted: Wanted, changes: tuple[Change, ...], mask: Mask
) -> Verdict:
    schema = wanted.facts.schema
    if changes:
        forbidden = refused(schema, changes)
        if forbidden:
            return Verdict(fate=Fate.REFUSED, changes=tuple(forbidden))
        forcing = [change for change in changes if change.forces_replacement]
        why = replacement_reason(wanted.facts, row.properties, wanted.properties)
        if forcing or why is not None:
            reason = f"{described(forcing)}, which needs a new one" if forcing else str(why)
            return _replaced(mask.text(reason), changes)
    beside = metadata_changes(row.metadata, wanted.metadata, mask)
    both = (*changes, *beside, *_settings(row, wanted))
    reasons = [described(both)] if both else []
    reasons += _circumstances(row, wanted)
    both += tuple(_brought_back(row))
    if not reasons:
        return KEEP
    return Verdict(fate=Fate.UPDATE, reason="; ".join(reasons), changes=both)


def _settings(row: ResourceRecord, wanted: Wanted) -> Iterator[Change]:
    """What the row remembers of its definition, for the day it is deleted."""
    definition = wanted.definition
    policy = policy_of(definition)
    if row.deletion_policy is not policy:
        yield Change(path="@deletion_policy", before=str(row.deletion_policy), after=str(policy))
    if set(row.requires) != set(definition.references):
        yield Change(
            path="@depends_on", before=sorted(row.requires), after=sorted(definition.references)
        )


def _brought_back(row: ResourceRecord) -> Iterator[Change]:
    """What was changed beside us, from what it is to what it was."""
    seen = drift.note_of(row)
    for path, (actual, expected) in (seen["values"] if seen is not None else {}).items():
        yield Change(path=f"{SEEN}{path}", before=actual, after=expected)


def _made_from(before: str, after: str) -> str:
    """Which of the two that a group's digest is made of has changed."""
    old, new = before.split("."), after.split(".")
    if len(old) == len(new) == 2 and old[0] == new[0]:
        return "the files its members are made from change"
    if len(old) == len(new) == 2 and old[1] == new[1]:
        return "the environment its members are made in changes"
    return "the files or environment its members are made from change"


def _circumstances(row: ResourceRecord, wanted: Wanted) -> Iterator[str]:
    """Why the row needs an update though none of its properties changes."""
    if row.resolved_type != wanted.definition.resolved_type:
        yield f"its template moves from {row.resolved_type} to {wanted.definition.resolved_type}"
    elif wanted.digest and row.data.get("digest") != wanted.digest:
        if wanted.definition.is_template:
            yield f"its template {wanted.definition.resolved_type} changes"
        else:
            yield _made_from(str(row.data.get("digest") or ""), wanted.digest)
    seen = drift.note_of(row)
    if seen is not None:
        yield "; ".join(seen["told"])
    if row.status is Status.FAILED:
        yield f"it is {row.state}: {row.reason}"
    elif row.status is Status.IN_PROGRESS:
        yield f"its {row.action.lower()} was interrupted"
    elif "before" in row.data:
        # Checked or marked in between, and still half of an update.
        yield "an earlier update of it did not end well"
