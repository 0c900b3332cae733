"""Moves: resources that change their stack or their name, and stacks that change their name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mantle.model.ids import ProjectId, StackId
from mantle.model.policies import NOBODY, Asker


class MoveKind(StrEnum):
    """What is moved."""

    MOVE = "move"
    """Resources into another stack."""
    SPLIT = "split"
    """Resources into a stack of their own, made for them."""
    RENAME = "rename"
    """A resource, within its stack."""
    RENAME_STACK = "rename_stack"


class MoveStatus(StrEnum):
    """Where a move stands."""

    OPEN = "open"
    APPLIED = "applied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRequest:
    """What is asked for."""

    kind: MoveKind
    source_id: StackId
    target_id: StackId | None = None
    """The stack they go to: only for `MOVE`."""
    name: str = ""
    """The new stack's name, or the stack's new one."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Resource to what it is called afterwards; empty for a stack's rename."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedMove:
    """A move as planned: shown, kept, and applied as it is or not at all."""

    id: str
    project_id: ProjectId
    request: MoveRequest
    source_name: str
    target_name: str
    status: MoveStatus = MoveStatus.OPEN
    document: Mapping[str, Any] = field(default_factory=dict)
    """What is shown; hidden values are hidden."""
    prints: Mapping[str, str] = field(default_factory=dict)
    """What must not have changed, as keyed hashes: `{resource}` and the parts of the deed."""
    new_stack_id: StackId | None = None
    """The id that a split's stack will have: the same in what is shown and in what is done."""
    made_by: Asker = NOBODY
    made_at: float
    """Seconds since the epoch, as the others."""
    expires_at: float
    applied_at: float | None = None
    version: int = 0
    """Grows with every write: of two appliers one comes first."""
