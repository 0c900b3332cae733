"""Drift: a difference between what an operation left and what is there now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mantle.model.ids import OperationId, ResourceId, StackId

GONE = "@object"
"""The path of a finding that the whole object is gone."""

STATUS = "status"
"""The path of a finding that the object is in another state."""

SEEN = "@drift."
"""Begins the path of a plan's change that brings back what was changed beside Mantle."""


POLICY = "mantle:drift"
"""In a resource's metadata: what becomes of its drift. Metadata is free to Heat."""


class DriftPolicy(StrEnum):
    """What becomes of what is found."""

    ALERT = "alert"
    """An event, and a finding that stays until it is gone: the default."""
    IGNORE = "ignore"
    ACCEPT = "accept"
    """The template is brought to what is there."""
    CORRECT = "correct"
    """An update of what drifts brings back what was."""


class Ending(StrEnum):
    """How a finding ended."""

    GONE = "gone"
    """By itself: somebody changed it back."""
    CORRECTED = "corrected"
    ACCEPTED = "accepted"
    """The template says now what is there."""
    UPDATED = "updated"
    """Its resource is no more."""
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value of one resource that is not as it was left."""

    stack_id: StackId
    resource_id: ResourceId
    resource: str
    resource_type: str
    path: str
    """A field of what the cloud was asked for, `status`, or `@object`."""
    expected: Any
    actual: Any

    @property
    def is_loss(self) -> bool:
        """True when only another object can bring back what was."""
        return self.path == GONE or (self.path == STATUS and self.actual == "ERROR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference over time. Times are seconds since the epoch."""

    sequence: int
    difference: Difference
    first_seen: float
    last_seen: float
    """How old the knowledge is."""
    ended_at: float | None = None
    ending: Ending | None = None
    operation_id: OperationId | None = None
    """The last operation that was to correct it."""
    note: str = ""
    """Why its policy could not be followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """A type of object that could not be listed. `since` is when it was listed last."""

    since: float | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When a stack's objects were last looked at, all of them, and what that cost."""

    looked_at: float | None
    calls: int
    objects: int
    blind: Mapping[str, Blind] = field(default_factory=dict)
    """Types that were not seen in the last look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftQuery:
    """What a listing of a project asks for; what is empty filters nothing."""

    stack_ids: tuple[StackId, ...] = ()
    resource: str = ""
    resource_types: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    ended: bool | None = False
    """False: what differs now; True: what did before; None: both."""
    since: float | None = None
    """Seen after this time."""
    after: int | None = None
    """Behind this sequence: the last one of the page before."""
    limit: int = 100
