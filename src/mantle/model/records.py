"""What is stored: the rows every other part reads, as frozen values.

The rows are the truth. A stack's resources, with their state, token and physical id, are the whole
durable state of an operation; see ARCHITECTURE.md.

Values that one operation makes by the ten thousand (rows, steps, events, what a phase is given) are
msgspec's structs, changed with `msgspec.structs.replace`; all others are dataclasses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from mantle.model.graph import DeletionPolicy
from mantle.model.ids import OperationId, PlanId, ProjectId, ResourceId, StackId, Token, UserId
from mantle.model.policies import NOBODY, Asker
from mantle.model.release import OPERATION_FORMAT
from mantle.model.status import Action, Cancel, OperationStatus, Status, state


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRecord:
    """One stack. A child stack has `parent_id` and belongs to its parent's resource."""

    id: StackId
    name: str
    project_id: ProjectId
    owner_id: UserId
    owner_name: str
    description: str = ""
    action: Action
    status: Status
    reason: str
    cloud: str = ""
    """The configured cloud it lives on."""
    source_id: str
    """The template, environment and files in force; `stacks.queries.stack_source` reads them."""
    previous_source_id: str | None = None
    """Those before the update under way or failed last; rollback returns to them."""
    disable_rollback: bool = True
    timeout_minutes: int | None = None
    tags: tuple[str, ...] = ()
    parent_id: StackId | None = None
    parent_resource: str | None = None
    root_id: StackId
    depth: int = 0
    created_at: float
    updated_at: float | None = None
    deleted_at: float | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Resolved when an operation ends; what API and parents read."""
    output_errors: Mapping[str, str] = field(default_factory=dict, repr=False)
    confidential: bool = True
    """Whether it may hold a secret: then its values are sealed where they are stored. What counts
    is the root's; it may become true, never false."""

    @property
    def state(self) -> str:
        """Heat's combined status."""
        return state(self.action, self.status)


class ResourceRecord(Struct, frozen=True, kw_only=True):
    """One row of one resource. A replacement is another row with the same name."""

    id: ResourceId
    stack_id: StackId
    name: str
    type: str
    """As written in the template."""
    resolved_type: str
    action: Action = Action.INIT
    status: Status = Status.COMPLETE
    reason: str = ""
    token: Token
    physical_id: str | None = None
    properties: Mapping[str, Any] = {}
    """Resolved and coerced, as last applied. Hold secrets: mask with the type's schema."""
    attributes: Mapping[str, Any] = {}
    data: Mapping[str, Any] = {}
    metadata: Mapping[str, Any] = {}
    requires: tuple[str, ...] = ()
    """Names of the resources it needs, as of the template it was made from."""
    deletion_policy: DeletionPolicy = DeletionPolicy.DELETE
    replaces: ResourceId | None = None
    replaced_by: ResourceId | None = None
    operation_id: OperationId | None = None
    """The operation that touched it last."""
    plan_id: PlanId | None = None
    """The plan that touched it last: with its state this tells whether a plan's step is done."""
    started_at: float | None = None
    """When the phase under way was begun."""
    version: int = 0
    """Grows with every write; plans are based on it."""
    created_at: float
    updated_at: float | None = None

    def __repr__(self) -> str:
        """Without what may hold secrets."""
        return f"ResourceRecord({self.name!r}, {self.resolved_type}, {self.state}, {self.id})"

    @property
    def state(self) -> str:
        """Heat's combined status."""
        return state(self.action, self.status)

    @property
    def is_there(self) -> bool:
        """Whether there is a resource to refer to: it was made, and is not on its way out."""
        if self.action in {Action.INIT, Action.DELETE}:
            return False
        return self.action not in {Action.CREATE, Action.ADOPT} or self.status is Status.COMPLETE


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """The durable execution of one plan."""

    id: OperationId
    stack_id: StackId
    project_id: ProjectId
    action: Action
    status: OperationStatus
    plan_id: PlanId | None = None
    """None until it is planned: an operation that waits for another plans when it starts."""
    epoch: int = 0
    """Grows with every claim; a write with an older one is refused."""
    engine: str = ""
    """Who holds it."""
    cancel: Cancel | None = None
    reason: str = ""
    parent_id: OperationId | None = None
    request_id: str = ""
    created_at: float
    started_at: float | None = None
    ended_at: float | None = None
    deadline_at: float | None = None
    steps_total: int = 0
    steps_done: int = 0
    batch_size: int = 0
    """Steps at once (0: the engine's limit), for a group's rolling policy."""
    pause_seconds: float = 0.0
    """Rest between two batches."""
    requester: Asker = NOBODY
    """Who asked for it, as policy rules see them."""
    snapshot_id: str | None = None
    """The stack's snapshot that it takes or returns to; its children's operations name it too."""
    trace: str = ""
    """What asked for it, where that is traced (W3C traceparent)."""
    format: int = OPERATION_FORMAT
    """What an engine must know to perform it; see `model.release`."""
    observes: bool = False
    """Whether it looks at what is there before it is planned, and brings back what drifts."""
