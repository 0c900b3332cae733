"""Asks a cloud about the values that only it can check, in bulk; and the clock about times.

A `Catalogue` lives as long as one request. The first value of a kind costs one list call, all
others of that kind nothing, on whichever stack of the request they stand. A cloud that does not
answer in time refuses nothing: what was not checked is told where a template is validated, and a
create goes on, as the cloud will judge the value itself when the resource is made.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mantle.clouds.plain import KINDS as PLAIN
from mantle.clouds.ports import Cloud, CloudError, Personal, Session
from mantle.engine.operation import load
from mantle.model.errors import Invalid, Problem
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, UserId
from mantle.model.records import StackRecord
from mantle.stacks.control import Control
from mantle.store import stacks as stack_rows
from mantle.template.asked import (
    EXPIRATION,
    Ahead,
    Answer,
    Asked,
    NoService,
    NotAsked,
    Offered,
    Place,
)
from mantle.template.loaded import Loaded

PATIENCE_SECONDS = 15.0
"""For one list call, while a person waits for the answer."""

Names = Callable[[Session], Awaitable[Sequence[Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of thing a constraint may name."""

    noun: str
    listed: Names
    always: tuple[str, ...] = ()
    own_project: bool = False
    """The id of the caller's own project does, whether or not it is listed."""
    maybe_none: bool = False
    """An empty list says nothing."""


_NETWORK = Kind(noun="network", listed=lambda cloud: cloud.networks.list())
_LOAD_BALANCER = Kind(noun="load balancer", listed=lambda cloud: cloud.load_balancers.list())
_LISTENER = Kind(noun="listener", listed=lambda cloud: cloud.listeners.list())
_POOL = Kind(noun="pool", listed=lambda cloud: cloud.pools.list())


@dataclass(frozen=True, slots=True)
class _Host:
    """A host is known by its name alone."""

    id: str
    name: str


async def _hosts(cloud: Session) -> Sequence[_Host]:
    return [_Host(each.name, each.name) for each in await cloud.hosts()]


def _plain(kind: str) -> Kind:
    """Where nothing is listed the cloud may have no such things at all, or not for this project."""
    return Kind(
        noun=PLAIN[kind].noun, listed=lambda cloud: cloud.plain(kind).list(), maybe_none=True
    )


KINDS: Mapping[str, Kind] = {
    "nova.flavor": Kind(noun="flavor", listed=lambda cloud: cloud.flavors()),
    "nova.keypair": Kind(noun="key pair", listed=lambda cloud: cloud.key_pairs.list()),
    "nova.server": Kind(noun="server", listed=lambda cloud: cloud.servers.list()),
    "nova.network": _NETWORK,
    "glance.image": Kind(noun="image", listed=lambda cloud: cloud.images()),
    "neutron.network": _NETWORK,
    "neutron.subnet": Kind(noun="subnet", listed=lambda cloud: cloud.subnets.list()),
    "neutron.port": Kind(noun="port", listed=lambda cloud: cloud.ports.list()),
    "neutron.router": Kind(noun="router", listed=lambda cloud: cloud.routers.list()),
    "neutron.security_group": Kind(
        noun="security group",
        listed=lambda cloud: cloud.security_groups.list(),
        always=("default",),
    ),
    "cinder.volume": Kind(noun="volume", listed=lambda cloud: cloud.volumes.list()),
    "octavia.loadbalancer": _LOAD_BALANCER,
    "neutron.lbaas.loadbalancer": _LOAD_BALANCER,
    "octavia.listener": _LISTENER,
    "neutron.lbaas.listener": _LISTENER,
    "octavia.pool": _POOL,
    "neutron.lbaas.pool": _POOL,
    "nova.host": Kind(noun="host", listed=_hosts),
    "cinder.snapshot": Kind(
        noun="volume snapshot", listed=lambda cloud: cloud.volume_snapshots.list()
    ),
    "cinder.backup": Kind(noun="volume backup", listed=lambda cloud: cloud.volume_backups.list()),
    "keystone.domain": replace(_plain("domains"), always=("default",)),
    "keystone.project": replace(_plain("projects"), own_project=True),
    **{
        constraint: _plain(kind)
        for constraint, kind in (
            ("cinder.qos_specs", "qos_specs"),
            ("cinder.vtype", "volume_types"),
            ("keystone.group", "groups"),
            ("keystone.region", "regions"),
            ("keystone.role", "roles"),
            ("keystone.service", "services"),
            ("keystone.user", "users"),
            ("neutron.address_scope", "address_scopes"),
            ("neutron.qos_policy", "qos_policies"),
            ("neutron.segment", "segments"),
            ("neutron.subnetpool", "subnet_pools"),
            ("octavia.availabilityzone", "balancer_zones"),
            ("octavia.availabilityzoneprofile", "balancer_zone_profiles"),
            ("octavia.flavor", "balancer_flavors"),
            ("octavia.flavorprofile", "balancer_flavor_profiles"),
            ("octavia.l7policy", "l7_policies"),
        )
    },
}
"""The constraints that can be asked, and the one list call that answers each."""

SERVICES = frozenset({"nova", "glance", "neutron", "cinder", "octavia", "keystone"})
"""What a cloud behind the port has. A kind of these that is not in the table is not listed."""


@dataclass(slots=True, kw_only=True)
class Catalogue:
    """What clouds offer one project, each kind listed once."""

    clouds: Mapping[str, Cloud]
    project_id: ProjectId
    user_id: UserId | None = None
    """By what this user left it is asked, where work is done by trusts."""
    now: float
    """Seconds since the epoch, for what must not be over."""
    patience_seconds: float = PATIENCE_SECONDS
    _known: dict[tuple[str, Kind], Answer] = field(default_factory=dict)

    async def of(self, cloud: str, constraints: Iterable[str]) -> dict[str, Answer]:
        """What is known for each constraint; kinds that were not listed yet are, side by side."""
        kinds = {each: KINDS.get(each) for each in dict.fromkeys(constraints)}
        new = [
            kind
            for kind in dict.fromkeys(kinds.values())
            if kind is not None and (cloud, kind) not in self._known
        ]
        found = await asyncio.gather(*(self._list(cloud, kind) for kind in new))
        self._known.update({(cloud, kind): each for kind, each in zip(new, found, strict=True)})
        return {
            name: self._own(cloud, name) if kind is None else self._known[cloud, kind]
            for name, kind in kinds.items()
        }

    def _own(self, cloud: str, constraint: str) -> Answer:
        """What is known without asking the cloud."""
        if constraint == EXPIRATION:
            return Ahead(now=self.now)
        return _unlisted(cloud, constraint)

    async def _list(self, cloud: str, kind: Kind) -> Answer:
        asked = self.clouds[cloud]
        if self.user_id is not None and isinstance(asked, Personal):
            session = asked.session_for(self.project_id, self.user_id)
        else:
            session = asked.session(self.project_id)
        try:
            async with asyncio.timeout(self.patience_seconds):
                things = await kind.listed(session)
        except CloudError as error:
            return NotAsked(why=f"cloud {cloud!r} could not be asked ({error.message}).")
        except TimeoutError:
            return NotAsked(
                why=f"cloud {cloud!r} did not answer within {self.patience_seconds:.0f} s."
            )
        if kind.maybe_none and not things:
            return NotAsked(why=f"cloud {cloud!r} lists no {kind.noun} for this project.")
        return Offered(
            noun=kind.noun,
            cloud=cloud,
            things=tuple((each.id, each.name) for each in things),
            always=(*kind.always, self.project_id) if kind.own_project else kind.always,
        )


def _unlisted(cloud: str, constraint: str) -> Answer:
    service = constraint.partition(".")[0]
    if service in SERVICES:
        return NotAsked(why=f"Mantle has no list of what cloud {cloud!r} offers there.")
    return NoService(service=service, cloud=cloud)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the cloud says of the values of a template."""

    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    """What could not be checked."""


async def ask_cloud(catalogue: Catalogue, cloud: str, asked: Sequence[Asked]) -> Judged:
    """Judge every value, in the order of the template."""
    if not asked:
        return Judged()
    answers = await catalogue.of(cloud, (each.constraint for each in asked))
    problems: list[Problem] = []
    unchecked: dict[str, list[Asked]] = {}
    for each in asked:
        answer = answers[each.constraint]
        if isinstance(answer, NotAsked):
            unchecked.setdefault(each.constraint, []).append(each)
        elif (problem := answer.judge(each)) is not None:
            problems.append(problem)
    warnings = [
        answer.warning(values)
        for name, values in unchecked.items()
        if isinstance(answer := answers[name], NotAsked)
    ]
    return Judged(problems=tuple(problems), warnings=tuple(warnings))


def catalogue_of(
    control: Control, project_id: ProjectId, user_id: UserId | None = None
) -> Catalogue:
    """A new one, for one request."""
    return Catalogue(
        clouds=control.clouds, project_id=project_id, user_id=user_id, now=control.clock.now()
    )


Load = Callable[[list[Asked]], Awaitable[Loaded]]


async def with_cloud(
    catalogue: Catalogue,
    cloud: str,
    work: Load,
    before: Callable[[], Awaitable[Collection[Place]]] | None = None,
) -> tuple[Loaded, tuple[Problem, ...]]:
    """Load, and ask the cloud; all problems of both are raised together, warnings returned.

    `before` gives the places whose values were there already: a stack stays updatable when an
    image it was made from has gone. It is called only when there is something to forgive.
    """
    asked: list[Asked] = []
    problems: Sequence[Problem] = ()
    loaded: Loaded | None = None
    try:
        loaded = await work(asked)
    except Invalid as error:
        problems = error.problems
    judged = await ask_cloud(catalogue, cloud, asked)
    refused = judged.problems
    if refused and before is not None:
        known = await before()
        judged = await ask_cloud(
            catalogue, cloud, [each for each in asked if each.place not in known]
        )
        refused = judged.problems
    if problems or refused:
        raise Invalid([*problems, *refused])
    assert loaded is not None, "what is not loaded has problems"
    return loaded, judged.warnings


async def load_asking(
    control: Control,
    stack: StackRecord,
    source: TemplateSource,
    catalogue: Catalogue | None = None,
    before: str | None = None,
) -> Loaded:
    """A stack's template, checked by itself and against its cloud; raises `Invalid` with it all.

    `before` is the id of the source the stack has now: what that named already is no problem. It is
    read only when there is one.
    """

    async def work(asked: list[Asked]) -> Loaded:
        return await load(control.machine, stack, source, asked=asked)

    async def places() -> set[Place]:
        asked: list[Asked] = []
        assert before is not None
        now = await control.database.read(stack_rows.load_source, before)
        with contextlib.suppress(Invalid):
            await load(control.machine, stack, now, asked=asked)
        return {each.place for each in asked}

    loaded, _ = await with_cloud(
        catalogue or catalogue_of(control, stack.project_id, stack.owner_id),
        stack.cloud,
        work,
        None if before is None else places,
    )
    return loaded
