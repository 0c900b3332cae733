"""How the engine runs a deed that is a stack of its own, without knowing what stacks are.

Types that contain orchestration answer `Delegate`; the stacks domain implements this port and
`wiring.py` joins them. Every call is safe to repeat: the child's id is derived from the row's token
and its operation's from the plan and the step, so after a crash the same child is found again.
"""

from dataclasses import dataclass
from typing import Protocol

from mantle.model.graph import ResourceDefinition
from mantle.model.ids import OperationId, PlanId, StackId, StepKey
from mantle.model.plan import Step
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.resources.kit import Delegate, Family
from mantle.template.loaded import Loaded


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """One deed handed over; `delegate` and `definition` are for create and update only."""

    parent: StackRecord
    operation: OperationRecord
    step: Step
    row: ResourceRecord
    action: Action
    delegate: Delegate | None = None
    definition: ResourceDefinition | None = None
    loaded: Loaded | None = None
    round: int = 0
    """Which of several operations of one step it is."""
    part_of: PlanId | None = None
    """The saved plan that binds the parent, and with it the child."""
    secrets: tuple[str, ...] = ()
    """Texts that the parent knows to be secret: the child must not tell them either."""
    corrects: OperationId | None = None
    """The operation whose findings of drift are brought back, in the child too."""


class Delegates(Protocol):
    """The port."""

    def child_id(self, row: ResourceRecord) -> StackId:
        """The id the row's child stack has or will have."""
        ...

    async def begin(self, errand: Errand) -> OperationId | None:
        """Start it, or find it started; None when there is nothing to do (the child is gone)."""
        ...

    async def retry(self, parent: OperationId, step: StepKey, plan_id: PlanId) -> None:
        """Have the operation that this step handed over go on, if it ended badly."""
        ...

    async def stop(self, parent: OperationId, step: StepKey, plan_id: PlanId, why: str) -> None:
        """Cancel the operation that this step handed over, with its steps under way."""
        ...

    async def family(self, child_id: StackId) -> Family | None:
        """What the child's members are and answer; None when there is no such child."""
        ...
