"""OpenStack behind the port: one project's view, and the cloud."""

import asyncio
import functools
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import structlog

from mantle.clouds import ports as p
from mantle.clouds.openstack.balancing import (
    HEALTH_MONITORS,
    LISTENERS,
    LOAD_BALANCERS,
    POOLS,
    Members,
    Tree,
)
from mantle.clouds.openstack.caller import Caller, Pace, Workshop
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.door import Door, Entry, open_door
from mantle.clouds.openstack.entrusted import Entrusted, Leaves
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.facts import Facts
from mantle.clouds.openstack.groups import (
    FLOATING_IPS,
    SECURITY_GROUPS,
    FloatingIps,
    SecurityGroups,
)
from mantle.clouds.openstack.images import WebImages
from mantle.clouds.openstack.joins import Associations, RouterInterfaces
from mantle.clouds.openstack.keeping import VOLUME_BACKUPS, VOLUME_SNAPSHOTS, ServerImages
from mantle.clouds.openstack.keypairs import KeyPairs
from mantle.clouds.openstack.limitations import limitations
from mantle.clouds.openstack.networks import NETWORKS, PORTS, ROUTERS, SUBNETS, Ports
from mantle.clouds.openstack.operating import Operating
from mantle.clouds.openstack.plain import Plain, PlainBelow
from mantle.clouds.openstack.plain_tables import BELOW, TABLES
from mantle.clouds.openstack.servers import SERVER_GROUPS, SERVERS, OpenStackServers
from mantle.clouds.openstack.settings import settings_of
from mantle.clouds.openstack.volumes import VOLUMES, Attachments, Volumes
from mantle.clouds.ports import CloudInfo
from mantle.model.ids import ProjectId, UserId
from mantle.model.schema import Limitation

log = structlog.get_logger()

THREADS = 32
AGAIN_SECONDS = 30.0
"""How often a cloud that could not be reached at the start is tried."""

Serves = Callable[[ProjectId], Awaitable[bool]]
"""Whether a project of Mantle's may use the entry's own project."""


class OpenStackSession:
    """One project's view. Everything goes through one `Caller`, scoped to that project."""

    def __init__(self, project_id: ProjectId, caller: Caller) -> None:
        self.project_id = project_id
        self.caller = caller
        self.facts = Facts(caller)
        self._operating = Operating(caller)
        self.networks: RestCollection[p.NetworkSpec, p.Network] = RestCollection(NETWORKS, caller)
        self.subnets: RestCollection[p.SubnetSpec, p.Subnet] = RestCollection(SUBNETS, caller)
        self.ports = Ports(PORTS, caller)
        self.routers: RestCollection[p.RouterSpec, p.Router] = RestCollection(ROUTERS, caller)
        self.router_interfaces = RouterInterfaces(caller, self.ports, self.subnets)
        self.security_groups = SecurityGroups(SECURITY_GROUPS, caller)
        self.floating_ips = FloatingIps(FLOATING_IPS, caller, self.networks)
        self.floating_ip_associations = Associations(caller, self.floating_ips)
        self.servers = OpenStackServers(SERVERS, caller, self.facts, self.ports)
        self.server_groups: RestCollection[p.ServerGroupSpec, p.ServerGroup] = RestCollection(
            SERVER_GROUPS, caller
        )
        self.key_pairs = KeyPairs(caller)
        self.volumes = Volumes(VOLUMES, caller, self.facts)
        self.volume_attachments = Attachments(caller, self.volumes)
        self.volume_snapshots: RestCollection[p.VolumeSnapshotSpec, p.VolumeSnapshot] = (
            RestCollection(VOLUME_SNAPSHOTS, caller)
        )
        self.volume_backups: RestCollection[p.VolumeBackupSpec, p.VolumeBackup] = RestCollection(
            VOLUME_BACKUPS, caller
        )
        self.server_images = ServerImages(caller, self.facts)
        self.load_balancers = Tree(LOAD_BALANCERS, caller)
        self.listeners = Tree(LISTENERS, caller)
        self.pools = Tree(POOLS, caller)
        self.members = Members(caller, self.pools)
        self.health_monitors = Tree(HEALTH_MONITORS, caller)
        self._plain: dict[str, p.PlainObjects] = {"images": WebImages(caller, self.facts)}

    def plain(self, kind: str) -> p.PlainObjects:
        """The plain objects of a kind."""
        if kind not in self._plain:
            self._plain[kind] = self._made(kind)
        return self._plain[kind]

    def _made(self, kind: str) -> p.PlainObjects:
        if kind in TABLES:
            return Plain(kind, TABLES[kind], self.caller)
        below = BELOW[kind]
        parents: Any = (
            self.plain(below.parents) if below.parents in TABLES else getattr(self, below.parents)
        )
        return PlainBelow(kind, below, self.caller, parents)

    def settings(self, kind: str) -> p.Settings:
        """The settings of a kind."""
        return settings_of(self.caller, kind)

    async def flavors(self) -> Sequence[p.Flavor]:
        """The sizes a server can have."""
        return await self.facts.flavors.all()

    async def images(self) -> Sequence[p.Image]:
        """What a server can boot."""
        return await self.facts.images.all()

    async def quotas(self) -> Sequence[p.Quota]:
        """What the services say of the project's quotas."""
        return await self.facts.quotas()

    async def hosts(self) -> Sequence[p.Host]:
        """Every hypervisor."""
        return await self._operating.hosts()

    async def guests(self, host: str) -> Sequence[p.Guest]:
        """A host's servers, of all projects."""
        return await self._operating.guests(host)

    async def services(self) -> Sequence[p.CloudService]:
        """Nova's, Neutron's and Cinder's."""
        return await self._operating.services()

    async def set_service(self, service_id: str, enabled: bool, reason: str) -> None:
        """Enable or disable one of them."""
        await self._operating.set_service(service_id, enabled, reason)


class OpenStackCloud:
    """A cloud of clouds.yaml.

    Two ways to know whose objects are whose. Where Mantle's tokens come from this cloud's Keystone,
    a project is that Keystone's project, and the entry's credentials are scoped to it (`serves` is
    None). Where Mantle has its own accounts, the entry's one project serves the projects that
    `serves` says, and no others.
    """

    def __init__(
        self,
        entry: Entry,
        *,
        name: str | None = None,
        serves: Serves | None = None,
        pace: Mapping[Service, Pace] | None = None,
        leaves: Leaves | None = None,
    ) -> None:
        """With `leaves`, work in a project is done by what its users left for it."""
        self.name = name or entry.name
        self._entry = entry
        self._leaves = leaves
        self._serves = serves
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=f"openstack-{self.name}")
        self._workshop = Workshop(threads=self._threads, pace=pace or {})
        self._sessions: dict[tuple[ProjectId, UserId | None], OpenStackSession] = {}
        self._own: Caller = Caller(self._workshop, functools.partial(open_door, entry, None))
        self._known: Door | None = None
        self._extensions: frozenset[str] | None = None
        self._problem = "it has not been reached yet"
        self._trying: asyncio.Task[None] | None = None

    @property
    def calls(self) -> Counter[str]:
        """Requests sent so far, by `service method`."""
        return self._workshop.calls

    @property
    def info(self) -> CloudInfo:
        """Services found, project, and how much was asked."""
        facts = {"clouds.yaml": self._entry.name, "calls": str(self.calls.total())}
        if self._entry.region:
            facts["region"] = self._entry.region
        if self._known is None:
            facts["problem"] = self._problem
        else:
            facts["project"] = self._known.project_id
            facts["services"] = ", ".join(sorted(each.value for each in self._known.services))
        return CloudInfo(
            name=self.name,
            kind="openstack",
            description="An OpenStack cloud of clouds.yaml.",
            facts=facts,
        )

    @property
    def limitations(self) -> Sequence[Limitation]:
        """Types whose service or extension is absent; none while the catalog is not known."""
        if self._known is None:
            return ()
        return limitations(self._known.services, self._extensions)

    def session(self, project_id: ProjectId) -> OpenStackSession:
        """The view of one project; logging in waits for the first call."""
        return self._session(project_id, None)

    def session_for(self, project_id: ProjectId, user_id: UserId) -> OpenStackSession:
        """The view that a user left; without `leaves` that of the entry's own user."""
        return self._session(project_id, user_id if self._leaves is not None else None)

    def _session(self, project_id: ProjectId, user_id: UserId | None) -> OpenStackSession:
        key = (project_id, user_id)
        if key not in self._sessions:
            self._sessions[key] = OpenStackSession(project_id, self._caller(*key))
        return self._sessions[key]

    async def give_back(self, trust_id: str) -> None:
        """Have Keystone delete a trust, as its trustor; one that is gone is no problem."""
        opener = functools.partial(open_door, self._entry, None, {"trust_id": trust_id})
        caller = Caller(self._workshop, opener)
        with suppress(p.Denied, p.Missing):
            await caller.delete(Service.IDENTITY, f"/OS-TRUST/trusts/{trust_id}")

    async def trustee(self) -> str:
        """The id of the entry's own user."""
        return (await self._own.door()).user_id

    def _caller(self, project_id: ProjectId, user_id: UserId | None) -> Caller:
        if self._leaves is not None:
            return Entrusted(self._workshop, self._entry, self._leaves, project_id, user_id)
        if self._serves is not None:
            return Lent(self._own, self._serves, project_id, self.name)
        return Caller(self._workshop, functools.partial(open_door, self._entry, project_id))

    async def start(self) -> None:
        """Log in; a cloud that is not there now is tried again and again, and Mantle starts."""
        try:
            await self._reach()
        except p.CloudError as error:
            self._problem = error.message
            log.warning("a cloud is not reached", cloud=self.name, reason=error.message)
            self._trying = asyncio.create_task(self._try_again())

    async def _try_again(self) -> None:
        while self._known is None:
            await asyncio.sleep(AGAIN_SECONDS)
            with suppress(p.CloudError):
                await self._reach()

    async def _reach(self) -> None:
        """Log in, and see what Neutron has; which of its parts are there can be told later."""
        door = await self._own.door()
        if door.has(Service.NETWORK):
            with suppress(p.CloudError):
                answer = await self._own.get(Service.NETWORK, "/extensions")
                if isinstance(answer, dict):
                    listed = answer.get("extensions") or ()
                    self._extensions = frozenset(each["alias"] for each in listed) or None
        self._known = door

    async def stop(self) -> None:
        """Let the threads go; calls under way end by themselves."""
        if self._trying is not None:
            self._trying.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)


class Lent(Caller):
    """The entry's own connection, for the projects of Mantle's that may use it."""

    def __init__(self, own: Caller, serves: Serves, project_id: ProjectId, cloud: str) -> None:
        self._lender = own
        self._may = serves
        self._project_id = project_id
        self._cloud = cloud
        self._allowed = False
        super().__init__(own.workshop, own.opener)

    async def door(self) -> Door:
        if not self._allowed:
            self._allowed = await self._may(self._project_id)
        if not self._allowed:
            raise p.Denied(
                f"The project may not use the cloud {self._cloud!r}.",
                remedy="Choose another cloud, or have the operator offer it to the project.",
            )
        return await self._lender.door()
