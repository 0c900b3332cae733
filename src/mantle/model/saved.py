"""Saved plans: plans that bind, as objects of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mantle.model.ids import OperationId, PlanId, ProjectId, ResourceId, StackId, StepKey
from mantle.model.plan import Plan
from mantle.model.policies import NOBODY, Asker


class PlanStatus(StrEnum):
    """How far a saved plan has been applied."""

    OPEN = "open"
    """Nothing of it has been done."""
    RUNNING = "running"
    """An operation does a part of it."""
    READY = "ready"
    """The next wave begins as soon as the stack is free."""
    WAITING = "waiting"
    """A gate waits for a person: `mantle plan continue`."""
    CHECKING = "checking"
    """A gate waits until the resources of the last wave are well."""
    PARTIAL = "partial"
    """A part was chosen and is done; the rest can be applied until the plan expires."""
    APPLIED = "applied"
    STOPPED = "stopped"
    """A step failed, or would have needed what is not in the plan; `reason` says which."""
    EXPIRED = "expired"

    @property
    def ended(self) -> bool:
        """True when nothing more of it can be applied."""
        return self in {self.APPLIED, self.EXPIRED}


class Gate(StrEnum):
    """What has to happen after a wave before the next begins."""

    NONE = "none"
    MANUAL = "manual"
    HEALTH = "health"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveSpec:
    """A wave as a person describes it: resources by name, a share of all, or a layer."""

    resources: tuple[str, ...] = ()
    percent: float | None = None
    """Of the plan's resources."""
    layer: bool = False
    """Every resource whose dependencies are in earlier waves."""
    gate: Gate = Gate.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """One wave: its steps, and the gate behind it."""

    steps: tuple[StepKey, ...]
    gate: Gate = Gate.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundRow:
    """A row as the plan saw it. `print` is a keyed hash of what matters of it."""

    name: str
    version: int
    print: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What must not have moved when the plan is applied."""

    rows: Mapping[ResourceId, BoundRow] = field(default_factory=dict)
    """Those its steps touch."""
    reads: Mapping[ResourceId, BoundRow] = field(default_factory=dict)
    """Those whose values its steps use; only for saying which of them moved."""
    seals: Mapping[StepKey, Mapping[str, str]] = field(default_factory=dict)
    """Keyed hashes of the values that the plan hides, by property."""
    nested: Mapping[StepKey, str] = field(default_factory=dict)
    """Keyed hashes of what the stacks inside would do, of plans saved by an earlier release."""
    inside: Mapping[StepKey, Mapping[str, str]] = field(default_factory=dict)
    """The same for each resource that would be touched, by its path: `group/0/disk`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan that binds, what it was made from, and how far it is."""

    id: PlanId
    project_id: ProjectId
    stack_id: StackId
    stack_name: str
    status: PlanStatus = PlanStatus.OPEN
    reason: str = ""
    plan: Plan
    binding: Binding
    options: Mapping[str, Any] = field(default_factory=dict)
    """The stack's settings that come with it: cloud, tags, rollback, timeout, description."""
    waves: tuple[Wave, ...] = ()
    wave: int = 0
    """The wave that runs or comes next, from 0."""
    done: tuple[StepKey, ...] = ()
    running: tuple[StepKey, ...] = ()
    requests: Mapping[str, OperationId] = field(default_factory=dict)
    """Request ids of the appliers to the operation each was answered with."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What is shown beside the plan: `quota`, `nested`."""
    source_id: str | None = None
    """The template, environment, files and parameters it was made from."""
    base_source_id: str | None = None
    """Those in force when it was made; None for a new stack."""
    operation_id: OperationId | None = None
    look_at: float = 0.0
    """Upkeep leaves it alone until then."""
    made_by: Asker = NOBODY
    applied_by: Asker = NOBODY
    made_at: float
    expires_at: float
    ended_at: float | None = None
    version: int = 0
    """Grows with every write: of two appliers one comes first."""

    @property
    def pending(self) -> tuple[StepKey, ...]:
        """Steps that are neither done nor being done."""
        begun = {*self.done, *self.running}
        return tuple(step.key for step in self.plan.steps if step.key not in begun)
