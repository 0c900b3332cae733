"""Every change of state is an event; API, console and command line all read the same stream."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from mantle.model.ids import EventId, OperationId, StackId
from mantle.model.status import Action, Status


class Event(Struct, frozen=True, kw_only=True):
    """A stack or a resource changed state. A stack's own event has its name as `resource`."""

    id: EventId
    sequence: int
    """Grows with time over all stacks; the cursor of listings and streams."""
    stack_id: StackId
    operation_id: OperationId | None
    resource: str
    resource_type: str
    physical_id: str | None
    action: Action
    status: Status
    reason: str
    at: float
    """Seconds since the epoch, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """A signal received for a resource, as the API stored it."""

    id: str
    body: Mapping[str, Any]
    at: float
