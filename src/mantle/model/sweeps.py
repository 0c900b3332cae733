"""Sweeps: one verb over many servers, planned, applied, and told for each server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mantle.model.ids import ProjectId, UserId


class SweepVerb(StrEnum):
    """What is done to each server."""

    ON = "on"
    OFF = "off"
    REBOOT = "reboot"
    HARD_REBOOT = "hard-reboot"
    SUSPEND = "suspend"
    RESUME = "resume"
    RESIZE = "resize"
    MIGRATE = "migrate"
    LIVE_MIGRATE = "live-migrate"


class SweepStatus(StrEnum):
    """How far a sweep has come."""

    PLANNED = "planned"
    """Nothing is done until somebody applies it."""
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    """Every server has its outcome, and not all of them are good."""
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """True once nothing more will happen."""
        return self in {self.COMPLETE, self.FAILED, self.CANCELLED}


class TargetState(StrEnum):
    """How far one server of a sweep has come."""

    PENDING = "pending"
    ACTING = "acting"
    """It was, or is about to be, asked of the cloud."""
    DONE = "done"
    UNCHANGED = "unchanged"
    """It was so already: nothing was asked of the cloud."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Left alone: it moved since it was planned, or the sweep was stopped before it."""

    @property
    def ended(self) -> bool:
        """True once nothing more will happen to it."""
        return self not in {self.PENDING, self.ACTING}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Which servers. What is given must all fit; within one list, any.

    Tags and metadata are the exception: a server must have all that are named.
    """

    names: tuple[str, ...] = ()
    """Names, ids, or patterns with `*`, `?` and `[…]`."""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    """A value may be a pattern."""
    hosts: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    stacks: tuple[str, ...] = ()
    clouds: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing is said. That never means all."""
        lists = (self.names, self.tags, self.hosts, self.statuses, self.stacks)
        return not any((*lists, self.clouds, self.regions, self.metadata))


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A server as it is now, wherever it is."""

    cloud: str
    region: str
    id: str
    name: str
    status: str
    """As `clouds.ports.ObjectStatus` has it."""
    flavor: str
    host: str
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    stack: str = ""
    """The name of the root stack it belongs to, if any."""
    fault: str = ""
    created_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One server of a sweep."""

    position: int
    cloud: str
    server_id: str
    name: str
    stack: str
    status: str
    """As it was when the sweep was planned, and so are flavor and host."""
    flavor: str
    host: str
    wanted: tuple[str, ...] = ()
    """Of a resize: what the flavor may be called there; of a migration: the host, if one was
    named."""
    state: TargetState = TargetState.PENDING
    mark: str = ""
    """The newest deed of this kind before ours: while the cloud shows no newer one, ours has not
    arrived."""
    attempts: int = 0
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    changed: int = 0
    """The sweep's count of changes when this one was written: the cursor of those who watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One verb over many servers."""

    id: str
    project_id: ProjectId
    verb: SweepVerb
    selector: Selector
    flavor: str = ""
    host: str = ""
    parallel: int
    """Servers that are worked on side by side."""
    failures_allowed: int
    """One more, and no further server is begun."""
    status: SweepStatus = SweepStatus.PLANNED
    reason: str = ""
    cancel: bool = False
    total: int
    done: int = 0
    """With those that were so already."""
    failed: int = 0
    skipped: int = 0
    changes: int = 0
    epoch: int = 0
    engine: str = ""
    user_id: UserId
    user_name: str
    created_at: float
    expires_at: float
    started_at: float | None = None
    ended_at: float | None = None
