"""What every part of the engine works with; built once by `wiring.py`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mantle.access.trusts import Deferral, NoDeferral
from mantle.clouds.ports import Cloud, FarStacks, Personal, Session
from mantle.engine.accounts import Accounts, NoAccounts
from mantle.engine.delegates import Delegates
from mantle.engine.links import Links
from mantle.engine.membership import Membership
from mantle.engine.nudges import Nudges
from mantle.engine.settings import Settings
from mantle.engine.software import SoftwareRecords
from mantle.lib.clock import Clock
from mantle.model.event import Event
from mantle.model.ids import EventId, OperationId, ProjectId, UserId
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.schema import Limitation
from mantle.model.status import Action, Status
from mantle.resources.registry import Registry
from mantle.store.database import Database
from mantle.store.journal import Entry, Journal
from mantle.template.loaded import Loaded

KEPT_HANDOVERS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What accepting a request has just computed and stored; spares the engine doing it again."""

    loaded: Loaded | None
    plan: Plan
    rows: tuple[ResourceRecord, ...]


Observe = Callable[[StackRecord, OperationId], Awaitable[None]]
"""Looks at what is there of a stack whose operation has its turn, and gives what drifts to that
operation. Raises `MantleError` when it cannot be seen. Safe to repeat."""


async def not_observed(_: StackRecord, __: OperationId) -> None:
    """For machines without a stacks domain."""


class Far(Protocol):
    """The way to other Heats."""

    async def connect(self, project_id: ProjectId, context: Mapping[str, Any]) -> FarStacks:
        """For the `context` of an OS::Heat::Stack, with the secret it names of this project."""
        ...


@dataclass(slots=True, kw_only=True)
class Machine:
    """The engine's parts. `delegates` is set once, when the stacks domain exists."""

    id: str
    """This engine; new at every start."""
    database: Database
    registry: Registry
    clouds: Mapping[str, Cloud]
    clock: Clock
    new_id: Callable[[], str]
    random: Callable[[int], bytes]
    settings: Settings
    links: Links
    delegates: Delegates
    far: Far
    config_text: Callable[[str, ProjectId], Awaitable[str | None]]
    """The text of a project's stored software config; None when there is no such."""
    software: SoftwareRecords
    """Every project's configurations and deployments."""
    start: Callable[[OperationId, int], Awaitable[None]]
    """Has the runtime perform an operation that is stored (see `runtime.Runtime.start`)."""
    observe: Observe = not_observed
    """Set once by the wiring, when the stacks domain exists."""
    deferral: Deferral = field(default_factory=NoDeferral)
    """How what users ask for goes on after their tokens have expired."""
    accounts: Accounts = field(default_factory=NoAccounts)
    """Accounts of resources where another Keystone keeps them."""
    membership: Membership = field(default_factory=Membership)
    nudges: Nudges = field(default_factory=Nudges)
    journal: Journal = field(init=False)
    handovers: OrderedDict[OperationId, Handover] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.journal = Journal(self.database, self._written)

    def _written(self, entries: list[Entry]) -> None:
        for key in {event.stack_id for entry in entries for event in entry.events}:
            self.nudges.nudge(key)
        self.nudges.nudge("sinks")
        for entry in entries:
            if entry.operation is not None:
                self.nudges.nudge(entry.operation.id)
                self.nudges.nudge(("operations", entry.operation.stack_id))
                self.nudges.nudge("upkeep")

    def hand_over(self, operation_id: OperationId, handover: Handover) -> None:
        """Keep it for the operation's start; the oldest is dropped when there are too many."""
        self.handovers[operation_id] = handover
        while len(self.handovers) > KEPT_HANDOVERS:
            self.handovers.popitem(last=False)

    def limitations(self, cloud: str) -> Sequence[Limitation]:
        """What a template for that cloud cannot have."""
        return (*self.clouds[cloud].limitations, *self.accounts.limitations)

    def session(self, stack: StackRecord) -> Session:
        """The view of the stack's cloud that its project has."""
        return self.view(stack.cloud, stack.project_id, UserId(stack.owner_id))

    def view(self, name: str, project_id: ProjectId, user_id: UserId | None) -> Session:
        """The view of a cloud that a user has in a project.

        By what the user left, where work is done by trusts.
        """
        cloud = self.clouds[name]
        if user_id is not None and isinstance(cloud, Personal):
            return cloud.session_for(project_id, user_id)
        return cloud.session(project_id)

    def stack_event(
        self,
        stack: StackRecord,
        operation: OperationRecord | None,
        action: Action,
        status: Status,
        reason: str,
    ) -> Event:
        """A stack's own event: its name is the resource, its id the physical id."""
        return Event(
            id=EventId(self.new_id()),
            sequence=0,
            stack_id=stack.id,
            operation_id=operation.id if operation else None,
            resource=stack.name,
            resource_type="OS::Heat::Stack",
            physical_id=stack.id,
            action=action,
            status=status,
            reason=reason,
            at=self.clock.now(),
        )

    def resource_event(self, row: ResourceRecord) -> Event:
        """The row's present state as an event."""
        return Event(
            id=EventId(self.new_id()),
            sequence=0,
            stack_id=row.stack_id,
            operation_id=row.operation_id,
            resource=row.name,
            resource_type=row.type,
            physical_id=row.physical_id,
            action=row.action,
            status=row.status,
            reason=row.reason,
            at=self.clock.now(),
        )
