"""All that the local cloud knows, project by project, and the one lock around it.

Every verb runs in a worker thread and decides under the lock; what takes time (starting and ending
processes, draining) happens outside it. The lock is coarse on purpose: deciding takes microseconds,
and one lock has no order to get wrong.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import ParamSpec, TypeVar

from mantle.clouds import ports
from mantle.clouds.local.shelf import Nothing, Shelf
from mantle.lib.clock import Clock
from mantle.model.ids import ProjectId

P = ParamSpec("P")
T = TypeVar("T")

WORKERS = 16
"""Threads for what blocks; more cloud calls than this wait for one another."""


@dataclass(frozen=True, slots=True)
class SubnetNotes:
    """The loopback block a subnet is laid onto."""

    block: str


@dataclass(frozen=True, slots=True)
class NetworkNotes:
    """Whether the network came with the project: such a one cannot be deleted."""

    given: bool = False


@dataclass(frozen=True, slots=True)
class PortNotes:
    """Whether the port was made for a server or a load balancer, and goes with it."""

    owned: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerNotes:
    """What is durable about a server's life."""

    secret: str
    """In its metadata URL."""
    wanted: str = "on"
    """`on`, `off` or `suspended`."""
    boot: int = 1
    """Counts the boots asked for; what a supervisor of an older boot says no longer counts."""
    deleting: bool = False
    port_ids: tuple[str, ...] = ()
    boot_volume_ids: tuple[str, ...] = ()
    doomed_volume_ids: tuple[str, ...] = ()
    """Those to be deleted with the server."""
    fill: int = 0
    """The boot before which its folder is filled with what its image holds; 0 once it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeNotes:
    """How far a volume's folder is. Those of older releases were made with their record."""

    made: bool = True
    fault: str = ""
    """Why it could not be made."""
    restoring: str = ""
    """The backup that takes the place of what it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyNotes:
    """How far a copy is."""

    made: bool
    fault: str = ""

    @property
    def pending(self) -> bool:
        """Still to be made."""
        return not self.made and not self.fault


@dataclass(frozen=True, slots=True)
class AttachmentNotes:
    """Where an attached volume appears in the server: `volumes/<name>` in its own folder."""

    name: str


@dataclass(frozen=True, slots=True)
class BalancingNotes:
    """When a delete has begun, and a member is being drained; None while it stays."""

    leaving_since: float | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What a local cloud is built with."""

    name: str
    data_dir: Path
    loopback_block: IPv4Network
    clock: Clock
    new_id: Callable[[], str]
    random: Callable[[int], bytes]
    metadata_base_url: str | None = None


class Project:
    """One project's objects."""

    def __init__(self, project_id: ProjectId, folder: Path) -> None:
        self.id = project_id
        self.folder = folder
        at = folder.joinpath
        self.key_pairs = Shelf(at("key_pairs"), ports.KeyPair, Nothing)
        self.networks = Shelf(at("networks"), ports.Network, NetworkNotes)
        self.subnets = Shelf(at("subnets"), ports.Subnet, SubnetNotes)
        self.ports = Shelf(at("ports"), ports.Port, PortNotes)
        self.routers = Shelf(at("routers"), ports.Router, Nothing)
        self.router_interfaces = Shelf(at("router_interfaces"), ports.RouterInterface, Nothing)
        self.security_groups = Shelf(at("security_groups"), ports.SecurityGroup, Nothing)
        self.floating_ips = Shelf(at("floating_ips"), ports.FloatingIp, Nothing)
        self.associations = Shelf(at("associations"), ports.FloatingIpAssociation, Nothing)
        self.volumes = Shelf(at("volumes"), ports.Volume, VolumeNotes)
        self.volume_snapshots = Shelf(at("volume_snapshots"), ports.VolumeSnapshot, CopyNotes)
        self.volume_backups = Shelf(at("volume_backups"), ports.VolumeBackup, CopyNotes)
        self.server_images = Shelf(at("server_images"), ports.ServerImage, CopyNotes)
        self.attachments = Shelf(at("attachments"), ports.VolumeAttachment, AttachmentNotes)
        self.servers = Shelf(at("servers"), ports.Server, ServerNotes)
        self.load_balancers = Shelf(at("load_balancers"), ports.LoadBalancer, BalancingNotes)
        self.listeners = Shelf(at("listeners"), ports.Listener, BalancingNotes)
        self.pools = Shelf(at("pools"), ports.Pool, BalancingNotes)
        self.members = Shelf(at("members"), ports.Member, BalancingNotes)
        self.health_monitors = Shelf(at("health_monitors"), ports.HealthMonitor, BalancingNotes)

    def used_addresses(self, subnet_id: str) -> Iterator[IPv4Address]:
        """Every address of a subnet that something has."""
        for port in self.ports:
            for fixed in port.object.fixed_ips:
                if fixed.subnet_id == subnet_id and fixed.ip_address:
                    yield IPv4Address(fixed.ip_address)
        subnet = self.subnets.get(subnet_id)
        if subnet is not None:
            for floating in self.floating_ips:
                if floating.object.spec.network_id == subnet.object.spec.network_id:
                    yield IPv4Address(floating.object.address)
            for router in self.routers:
                for fixed in router.object.external_fixed_ips:
                    if fixed.subnet_id == subnet_id and fixed.ip_address:
                        yield IPv4Address(fixed.ip_address)


def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(WORKERS, thread_name_prefix="local-cloud")


@dataclass(slots=True)
class State:
    """Every project, the lock, and the threads."""

    settings: Settings
    lock: threading.RLock = field(default_factory=threading.RLock)
    projects: dict[ProjectId, Project] = field(default_factory=dict)
    forward: Callable[[], None] = field(default=lambda: None)
    """Brings the floating addresses up to date; called after anything they depend on changed."""
    threads: ThreadPoolExecutor = field(default_factory=_threads)

    def __post_init__(self) -> None:
        self.projects_folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in self.projects_folder.iterdir():
            project_id = ProjectId(bytes.fromhex(folder.name).decode())
            self.projects[project_id] = Project(project_id, folder)

    @property
    def projects_folder(self) -> Path:
        """Where everything durable is."""
        return self.settings.data_dir / "projects"

    def project(self, project_id: ProjectId) -> Project:
        """One project, made when first seen. An id never becomes a path: it is written hex."""
        with self.lock:
            if project_id not in self.projects:
                folder = self.projects_folder / project_id.encode().hex()
                self.projects[project_id] = Project(project_id, folder)
            return self.projects[project_id]

    def blocks(self) -> Iterator[IPv4Network]:
        """Every loopback block in use, of all projects."""
        for project in list(self.projects.values()):
            for subnet in project.subnets:
                yield IPv4Network(subnet.notes.block)

    def rest(self) -> None:
        """Let what is under way end, and the threads go; new ones come when they are needed."""
        ending, self.threads = self.threads, _threads()
        ending.shutdown()

    async def run(self, deed: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what blocks in a thread of this cloud's own."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: deed(*args, **kwargs))
