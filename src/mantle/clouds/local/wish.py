"""What one load balancer should do, read from its objects; both programs are configured from it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from mantle.clouds.local.networks import reachable
from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import BalancingNotes, Project
from mantle.clouds.ports import HealthMonitorSpec, ListenerSpec, Member, MemberSpec, Pool, PoolSpec

HTTP = ("HTTP", "TERMINATED_HTTPS")


@dataclass(frozen=True, slots=True)
class Target:
    """One member, where it is really reached."""

    id: str
    address: str
    spec: MemberSpec


@dataclass(frozen=True, slots=True)
class Backend:
    """One pool with its members and its monitor."""

    id: str
    spec: PoolSpec
    monitor: HealthMonitorSpec | None
    targets: tuple[Target, ...]


@dataclass(frozen=True, slots=True)
class Frontend:
    """One listener; `backend_id` is None when it has no pool yet."""

    id: str
    spec: ListenerSpec
    backend_id: str | None


@dataclass(frozen=True, slots=True)
class Wish:
    """Everything one load balancer should do."""

    id: str
    folder: Path
    vip_address: str
    frontends: tuple[Frontend, ...]
    backends: tuple[Backend, ...]
    overdue: frozenset[str] = frozenset()
    """Leaving members that have had their time: their connections are cut."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What the running program says: members that still have requests, and who is well."""

    draining: frozenset[str] = frozenset()
    online: Mapping[str, bool] | None = None


class Program(Protocol):
    """A load balancer program. All of it blocks; use threads."""

    name: str

    def apply(self, wish: Wish) -> Sight:
        """Bring the running program to the wish, losing no request; safe to repeat."""
        ...

    def look(self, wish: Wish) -> Sight:
        """Only look."""
        ...

    def end(self, wish: Wish) -> None:
        """End the program of this load balancer; one that is not there has ended."""
        ...


def balancer_of_pool(project: Project, pool: Pool) -> str:
    """The load balancer a pool belongs to, by its listener or directly."""
    if pool.spec.load_balancer_id:
        return pool.spec.load_balancer_id
    listener = project.listeners.get(pool.spec.listener_id or "")
    return listener.object.spec.load_balancer_id if listener else pool.load_balancer_id


def members_of(project: Project, pool_id: str) -> Iterator[Entry[Member, BalancingNotes]]:
    """The members of a pool, leaving ones too."""
    return (entry for entry in project.members if entry.object.spec.pool_id == pool_id)


def read_wish(project: Project, balancer_id: str) -> Wish:
    """What this load balancer should do now. Members being drained are no longer in it."""
    balancer = project.load_balancers.get(balancer_id)
    pools = [
        entry.object
        for entry in project.pools
        if balancer_of_pool(project, entry.object) == balancer_id
    ]
    known = {pool.id for pool in pools}
    frontends = []
    for entry in project.listeners:
        spec = entry.object.spec
        on = spec.admin_state_up and balancer is not None and balancer.object.spec.admin_state_up
        if spec.load_balancer_id != balancer_id or not on:
            continue
        own = next((pool.id for pool in pools if pool.spec.listener_id == entry.object.id), None)
        backend_id = spec.default_pool_id if spec.default_pool_id in known else own
        frontends.append(Frontend(entry.object.id, spec, backend_id))
    return Wish(
        id=balancer_id,
        folder=project.folder / "balancers" / balancer_id,
        vip_address=balancer.object.vip_address if balancer else "",
        frontends=tuple(frontends),
        backends=tuple(_backend(project, pool) for pool in pools),
    )


def _target(project: Project, member: Member) -> Target:
    spec = member.spec
    monitored = spec.monitor_address
    if monitored is not None:
        spec = replace(spec, monitor_address=reachable(project, monitored, spec.subnet_id))
    return Target(member.id, reachable(project, spec.address, spec.subnet_id), spec)


def _backend(project: Project, pool: Pool) -> Backend:
    monitor = next(
        (
            entry.object.spec
            for entry in project.health_monitors
            if entry.object.spec.pool_id == pool.id and entry.object.spec.admin_state_up
        ),
        None,
    )
    targets = tuple(
        _target(project, entry.object)
        for entry in members_of(project, pool.id)
        if entry.notes.leaving_since is None and pool.spec.admin_state_up
    )
    return Backend(pool.id, pool.spec, monitor, targets)
