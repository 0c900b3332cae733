"""Drift: a difference between what an operation left and what is there now."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mantle.model.ids import ResourceId, StackId

GONE = "@object"
"""The path of a finding that the whole object is gone."""


class DriftPolicy(StrEnum):
    """What becomes of what is found."""

    ALERT = "alert"
    """An event, and a finding that stays until it is gone: the default."""
    IGNORE = "ignore"
    CORRECT = "correct"
    """An ordinary update brings back what was."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference over time. Times are seconds since the epoch."""

    sequence: int
    difference: Difference
    first_seen: float
    last_seen: float
    ended_at: float | None = None
    ending: str | None = None
    """How it ended: `gone` by itself, `corrected`, `updated` by an operation, `ignored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """When a project's objects on a cloud were last looked at, and what that cost."""

    looked_at: float
    calls: int
    objects: int
