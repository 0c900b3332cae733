"""A plan: a frozen graph of steps, each with a reason. Shown, stored, diffed, executed.

Times are seconds since the epoch, UTC. A plan is JSON through msgspec; `Unknown` values inside
`Change` are stored as `{"unknown": [names]}` by `plan.render`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from msgspec import Struct

from mantle.model.ids import OperationId, PlanId, ResourceId, StackId, StepKey, Token
from mantle.model.policies import PolicyVerdict
from mantle.model.status import Action


class StepKind(StrEnum):
    """What a step does to one resource."""

    CREATE = "create"
    ADOPT = "adopt"
    """Take over an object that is there: look at it, change nothing."""
    UPDATE = "update"
    DELETE = "delete"
    FORGET = "forget"
    """Leave the stack, keep the cloud's object (deletion policy Retain)."""
    CHECK = "check"
    SUSPEND = "suspend"
    RESUME = "resume"
    SNAPSHOT = "snapshot"
    RESTORE = "restore"
    """Put back what a snapshot of the stack kept of its contents."""
    KEEP = "keep"
    """Nothing to change; takes no step, listed so that the plan is complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One property's value before and after; secrets are already masked."""

    path: str
    """Dotted, below the resource's properties: `metadata.role`, `rules[0].port`."""
    before: Any = None
    after: Any = None
    forces_replacement: bool = False


class Step(Struct, frozen=True, kw_only=True):
    """One deed to one resource row. `requires` are the steps that must be complete before."""

    key: StepKey
    kind: StepKind
    resource: str
    resource_type: str
    resource_id: ResourceId
    """The row it works on; for a create, the row that the operation inserts."""
    token: Token
    reason: str
    """For people: `new in the template`, `flavor changes from small to large`."""
    requires: tuple[StepKey, ...] = ()
    changes: tuple[Change, ...] = ()
    replaces: ResourceId | None = None
    """For a create that replaces: the old row, deleted by a later step."""
    old_first: str = ""
    """For a create that replaces: why the old row is removed before, instead of afterwards."""
    unknown_after: tuple[str, ...] = ()
    """Resources that must exist before this step's exact values are known."""
    timeout_seconds: float = 3600.0
    digest: str = ""
    """For a create or update of a type with templates inside: the hash of what it is made from.
    The engine stores it in the row's data as `digest`; a later plan compares it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an operation will do, exactly. Steps are in an order that respects `requires`."""

    id: PlanId
    stack_id: StackId
    stack_name: str
    action: Action
    steps: tuple[Step, ...] = ()
    unchanged: tuple[str, ...] = ()
    """Names of resources that take no step."""
    based_on: Mapping[str, int] = field(default_factory=dict)
    """Versions of the resource rows the plan touches, by row id."""
    made_at: float = 0.0
    expires_at: float = 0.0
    verdicts: tuple[PolicyVerdict, ...] = ()
    """What the policy rules say of its steps."""
    part_of: PlanId | None = None
    """The saved plan this is a part of: it binds, so the engine does its steps and no other."""
    whole: bool = True
    """False for one part of several: a failure stops there and rolls nothing back."""
    within: tuple[str, ...] | None = None
    """The only resources it may touch, also where the engine plans again; None: all of them."""
    corrects: OperationId | None = None
    """The operation whose findings of drift it brings back, also in the stacks inside."""

    @property
    def binds(self) -> bool:
        """True when nothing but its steps may be done."""
        return self.part_of is not None

    @property
    def is_empty(self) -> bool:
        """True when applying it would do nothing."""
        return not self.steps
