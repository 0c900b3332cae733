"""What the world did since a backup was taken, and what Mantle would do about it. Pure.

Each item says what was seen, what would be done by itself (the first of its deeds), and what a
person may choose instead. Nothing that costs or destroys is done by itself: operations that were
under way go on, as their tokens make that safe; sweeps do not, as a reboot has no token and what
was done after the backup would be done again; drift is left to its policies, as ever; objects that
the rows do not know are left alone.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from mantle.model.drift import DriftPolicy
from mantle.model.ids import ProjectId


class What(StrEnum):
    """What an item is about."""

    OPERATION = "operation"
    """It was under way when the backup was taken."""
    SWEEP = "sweep"
    """One verb over many servers, which was under way when the backup was taken."""
    DRIFT = "drift"
    """A stack in which something has vanished or changed."""
    FOUND = "found"
    """An object that Mantle made, and that no row knows: made after the backup."""
    UNSEEN = "unseen"
    """What could not be looked at."""


class Deed(StrEnum):
    """What can be done about an item."""

    RESUME = "resume"
    """The operation goes on where the rows stand; what it made already is found by its token."""
    CANCEL = "cancel"
    """The operation starts no further step, the sweep no further server."""
    LEAVE = "leave"
    """Nothing now; it stays to be seen, as drift or as what is in no stack."""
    CORRECT = "correct"
    """An update of what drifts: what vanished is made anew, what changed is brought back."""
    ACCEPT = "accept"
    """The template is brought to what is there."""
    ADOPT = "adopt"
    """A stack takes it over as it is; deleting that stack removes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to know, and to decide."""

    id: str
    what: What
    project_id: ProjectId
    cloud: str
    name: str
    """The stack's, or the object's."""
    said: str
    details: tuple[str, ...] = ()
    deeds: tuple[Deed, ...] = (Deed.LEAVE,)
    """The first is what is done unless something else is chosen."""
    subject: tuple[str, ...] = field(default=())
    """The stack's id, the operation's, or type and id of the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """All of it, in a fixed order."""

    taken_at: float
    backup: str
    items: tuple[Item, ...]
    unmarked: int
    """Objects in no stack without Mantle's mark: others' own, and none of its business."""
    begun: bool = False
    """All was chosen and the hold has ended; these are what is not begun yet."""

    @property
    def digest(self) -> str:
        """Of what was seen: another one means that the world has moved on."""
        seen = repr([(each.id, each.said, each.details, each.deeds) for each in self.items])
        return hashlib.sha256(seen.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """One resource that is not as it was left."""

    resource: str
    resource_type: str
    paths: tuple[str, ...]
    gone: bool
    policy: DriftPolicy


def drift_item(
    stack_id: str, project_id: ProjectId, cloud: str, name: str, lost: Sequence[Lost], seen: int
) -> Item:
    """A stack with what differs in it; `seen` is how many of its resources were looked at."""
    gone = [each for each in lost if each.gone]
    changed = [each for each in lost if not each.gone]
    if seen and len(gone) == seen:
        said = f"all of its {seen} objects are gone: it was probably deleted after the backup"
    else:
        parts = [f"{len(gone)} of {seen} objects gone"] if gone else []
        parts += [f"{len(changed)} changed"] if changed else []
        said = ", ".join(parts)
    details = [f"{each.resource} ({each.resource_type}): gone" for each in gone]
    details += [
        f"{each.resource} ({each.resource_type}): {', '.join(each.paths)} changed"
        for each in changed
    ]
    return Item(
        id=f"drift:{stack_id}",
        what=What.DRIFT,
        project_id=project_id,
        cloud=cloud,
        name=name,
        said=said,
        details=tuple(details),
        deeds=_drift_deeds({each.policy for each in lost}),
        subject=(stack_id,),
    )


def _drift_deeds(policies: set[DriftPolicy]) -> tuple[Deed, ...]:
    """The policy decides, as it does at any other time; to correct can always be asked for."""
    if DriftPolicy.CORRECT in policies:
        return (Deed.CORRECT,)
    if DriftPolicy.ACCEPT in policies:
        return (Deed.ACCEPT, Deed.CORRECT)
    return (Deed.LEAVE, Deed.CORRECT)


SAID = {
    Deed.RESUME: "goes on from where it stood",
    Deed.CANCEL: "stops where it stood",
    Deed.LEAVE: "left as it is",
    Deed.CORRECT: "an update brings back what was",
    Deed.ACCEPT: "the template is brought to what is there",
    Deed.ADOPT: "a new stack takes it over",
}

HEADINGS = {
    What.OPERATION: "Operations that were under way",
    What.SWEEP: "Sweeps that were under way",
    What.DRIFT: "Stacks that differ from what is there",
    What.FOUND: "Made after the backup, and unknown to it",
    What.UNSEEN: "Could not be looked at",
}


def render(found: Reconciliation, when: str) -> str:
    """For people; `when` is the time of the backup in words."""
    return "\n".join(_lines(found, when))


def _lines(found: Reconciliation, when: str) -> Iterator[str]:
    yield f"Restored from backup {found.backup[:8]} of {when}."
    if found.begun:
        yield "Mantle works again. Whoever began what was chosen was stopped; this is left of it."
    counts = Counter(each.what for each in found.items)
    if not counts:
        yield "Everything is as it was when the backup was taken."
    for what, heading in HEADINGS.items():
        if not counts[what]:
            continue
        yield ""
        yield f"{heading} ({counts[what]}):"
        for each in found.items:
            if each.what is not what:
                continue
            yield f"  {each.name} on {each.cloud}, project {each.project_id}: {each.said}"
            yield from (f"      {line}" for line in each.details)
            if what is not What.UNSEEN:
                yield f"      -> {SAID[each.deeds[0]]}" + _choice(each)
    if found.unmarked:
        yield ""
        yield f"{found.unmarked} objects in no stack bear no mark of Mantle's; they stay alone."


def _choice(item: Item) -> str:
    others = [f"--{deed.value} {item.id}" for deed in item.deeds[1:]]
    return f"; or {', '.join(others)}" if others else ""
