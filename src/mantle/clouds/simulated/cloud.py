"""The simulated cloud behind the port."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import (
    Clash,
    CloudInfo,
    CloudObject,
    CloudService,
    Deed,
    Exhausted,
    Flavor,
    Guest,
    Host,
    Image,
    KeyPair,
    Missing,
    Move,
    NetworkSpec,
    ObjectStatus,
    Power,
    Quota,
    Refused,
    Server,
    ServerSpec,
    Unavailable,
    Volume,
)
from mantle.clouds.simulated.faults import Faults, Moment
from mantle.clouds.simulated.kinds import (
    FLAVORS,
    IMAGES,
    KINDS,
    PUBLIC,
    Kind,
    Needs,
    aliases_of,
    find_flavor,
)
from mantle.clouds.simulated.plain import PLAIN, SimulatedSettings, alike
from mantle.clouds.simulated.world import Slot, Thing, World
from mantle.lib.clock import Clock
from mantle.model.ids import ProjectId, Token
from mantle.model.schema import Limitation

_POWERED = {
    Power.ON: ObjectStatus.ACTIVE,
    Power.OFF: ObjectStatus.STOPPED,
    Power.REBOOT: ObjectStatus.ACTIVE,
    Power.HARD_REBOOT: ObjectStatus.ACTIVE,
    Power.SUSPEND: ObjectStatus.SUSPENDED,
    Power.RESUME: ObjectStatus.ACTIVE,
}


class SimulatedCollection:
    """One kind of object of one project. Implements `ports.Collection` for every kind."""

    def __init__(self, world: World, faults: Faults, project: ProjectId, kind: Kind) -> None:
        self.world = world
        self.faults = faults
        self.project = project
        self.kind = kind

    async def create(self, spec: Any, token: Token) -> Any:
        """Make it, or answer the one made before with this token."""
        await self._arrives("create")
        made = self._create(spec, token)
        self._replies("create")
        return made

    async def find(self, token: Token) -> Any:
        """The object made with this token, or None."""
        await self._arrives("find")
        shelf = self.world.shelf(self.project, self.kind.name)
        object_id = self.world.tokens.get((self.project, self.kind.name, token))
        thing = shelf.get(object_id) if object_id is not None else None
        return None if thing is None else self._seen(thing)

    async def get(self, object_id: str) -> Any:
        """By id."""
        await self._arrives("get")
        return self._seen(self._thing(object_id))

    async def list(self) -> Sequence[Any]:
        """All of this project, oldest first."""
        await self._arrives("list")
        shelf = self.world.shelf(self.project, self.kind.name)
        return [self._seen(thing) for thing in shelf.values()]

    async def update(self, object_id: str, spec: Any) -> Any:
        """Bring it to this spec."""
        await self._arrives("update")
        thing = self._thing(object_id)
        self._check_needs(spec)
        old = thing.object
        base = _base(old, getattr(spec, "name", old.name))
        thing.object = self.kind.make(self.world, self.project, base, spec)
        self.world.release_what_left(old, thing.object)
        self.world.relate(self._slot(object_id), self.kind.needs(spec))
        self._replies("update")
        return self._seen(thing)

    async def delete(self, object_id: str) -> None:
        """Begin to remove it."""
        await self._arrives("delete")
        thing = self._thing(object_id)
        user = self.world.user_of(self._slot(object_id), _LETS_GO.get(self.kind.name, ()))
        if user is not None:
            raise Clash(
                f"{self.kind.name}: {object_id} is in use by {user}.",
                remedy="Delete what uses it first.",
            )
        if thing.gone_at is None:
            end = self.world.clock.now() + self.faults.delete_seconds
            self.world.doom(self._slot(object_id), thing, end)
        self.world.shelf(self.project, self.kind.name)
        self._replies("delete")

    # --- plain objects only ------------------------------------------------------------------

    async def like(self, spec: Any) -> Any:
        """The object there can be only one of."""
        await self._arrives("like")
        wanted = alike(self.kind.name, spec)
        shelf = self.world.shelf(self.project, self.kind.name).values()
        found = (each for each in shelf if alike(self.kind.name, each.object.spec) == wanted)  # type: ignore[attr-defined]
        return next((self._seen(each) for each in found), None) if wanted else None

    # --- servers only ------------------------------------------------------------------------

    async def power(self, server_id: str, power: Power) -> None:
        """Begin a power action."""
        await self._arrives("power")
        thing = self._thing(server_id)
        thing.object = replace(thing.object, status=_POWERED[power])
        if power is Power.HARD_REBOOT:
            thing.fails = False
        # A service remembers both kinds of reboot by one name.
        kind = Power.REBOOT if power is Power.HARD_REBOOT else power
        self.world.did(self._slot(server_id), kind)
        self._replies("power")

    async def resize(self, server_id: str, flavor: str) -> None:
        """Another flavor, after as long as a build takes."""
        await self._arrives("resize")
        thing = self._thing(server_id)
        server = thing.object
        assert isinstance(server, Server), "only servers have the verb"
        if flavor in aliases_of(server.spec.flavor):
            return
        self._check_quiet(thing)
        find_flavor(flavor)
        thing.object = replace(server, spec=replace(server.spec, flavor=flavor))
        thing.ready_at = self.world.clock.now() + self.faults.build_seconds
        self.world.did(self._slot(server_id), "resize")
        self._replies("resize")

    async def migrate(self, server_id: str, how: Move, host: str | None) -> None:
        """Another host, after as long as a build takes."""
        await self._arrives("migrate")
        thing, world = self._thing(server_id), self.world
        server = thing.object
        assert isinstance(server, Server), "only servers have the verb"
        self._check_quiet(thing)
        if how is Move.LIVE and server.status is not ObjectStatus.ACTIVE:
            raise Clash(f"servers: {server_id} is {server.status}, so it cannot migrate live.")
        taking = [name for name, why in world.hosts.items() if not why and name != server.host]
        if host is not None and host not in world.hosts:
            raise Refused(f"There is no host {host!r}.", remedy=f"There are: {', '.join(taking)}.")
        if host is not None and host not in taking:
            raise Refused(f"{host} takes no server of {server.host}.", remedy="Name another host.")
        if not taking:
            raise Exhausted("No valid host was found.", remedy="Enable a host.")
        load = Counter(world.homes.values())
        target = host or min(taking, key=lambda name: (load[name], name))
        world.homes[self._slot(server_id)] = target
        thing.object = replace(server, host=target)
        thing.ready_at = world.clock.now() + self.faults.build_seconds
        world.did(self._slot(server_id), how)
        self._replies("migrate")

    async def deeds(self, server_id: str) -> Sequence[Deed]:
        """The newest first."""
        await self._arrives("deeds")
        self._thing(server_id)
        return list(self.world.deeds.get(self._slot(server_id), ()))

    def _check_quiet(self, thing: Thing) -> None:
        seen = self._seen(thing).status
        if seen in {ObjectStatus.BUILDING, ObjectStatus.DELETING, ObjectStatus.ERROR}:
            raise Clash(f"servers: {thing.object.id} is {seen}.")

    async def rebuild(self, server_id: str, spec: ServerSpec) -> Server:
        """Same server, new image and boot script: it holds what the image holds."""
        if server_id in self.world.shelf(self.project, self.kind.name):
            image = (self.project, "server_images", spec.image or "")
            self.world.copy(image, self._slot(server_id))
        server: Server = await self.update(server_id, spec)
        return server

    async def console(self, server_id: str, lines: int) -> str:
        """A line that says what it is."""
        await self._arrives("console")
        self._thing(server_id)
        return f"simulated server {server_id}\n" if lines > 0 else ""

    # --- volumes only ------------------------------------------------------------------------

    async def restore(self, volume_id: str, backup_id: str) -> Volume:
        """Put a backup's contents in place of the volume's."""
        await self._arrives("restore")
        thing, world = self._thing(volume_id), self.world
        backup = (self.project, "volume_backups", backup_id)
        if backup_id not in world.shelf(self.project, "volume_backups"):
            raise Missing(f"volume_backups: there is no {backup_id!r} in this project.")
        user = world.users(self._slot(volume_id), "volume_attachments")
        if user:
            raise Clash(f"volumes: {volume_id} is attached.", remedy="Detach it first.")
        if world.size_of(backup) > world.size_of(self._slot(volume_id)):
            raise Refused(f"volumes: {volume_id} is smaller than the backup {backup_id}.")
        world.copy(backup, self._slot(volume_id))
        thing.ready_at = world.clock.now() + self.faults.build_seconds
        self._replies("restore")
        seen: Volume = self._seen(thing)
        return seen

    # --- inside ------------------------------------------------------------------------------

    async def _arrives(self, verb: str) -> None:
        self.world.calls += 1
        if self.faults.latency_seconds:
            await asyncio.sleep(self.faults.latency_seconds)
        if self.faults.hook is not None:
            self.faults.hook(Moment.BEFORE, f"{self.kind.name}.{verb}")
        if self.faults.strikes(self.faults.lost_request):
            raise Unavailable(f"{self.kind.name}.{verb}: the request was lost (simulated).")

    def _replies(self, verb: str) -> None:
        if self.faults.hook is not None:
            self.faults.hook(Moment.AFTER, f"{self.kind.name}.{verb}")
        if self.faults.strikes(self.faults.lost_reply):
            raise Unavailable(f"{self.kind.name}.{verb}: the reply was lost (simulated).")

    def _create(self, spec: Any, token: Token) -> Any:
        kind, world = self.kind, self.world
        shelf = world.shelf(self.project, kind.name)
        known = world.tokens.get((self.project, kind.name, token))
        if known is not None and known in shelf:
            return self._seen(shelf[known])
        quota = self.faults.quota
        if quota is not None and len(shelf) >= quota:
            raise Exhausted(
                f"The project's quota of {quota} {kind.name} is used up.",
                remedy="Delete some, or ask for a larger quota.",
            )
        self._check_needs(spec)
        self._check_there(kind.copies(spec))
        object_id = kind.id_of(spec) if kind.id_of else ""
        object_id = object_id or world.new_id(kind.name)
        wanted = alike(kind.name, spec)
        if object_id in shelf or (
            wanted and any(alike(kind.name, each.object.spec) == wanted for each in shelf.values())  # type: ignore[attr-defined]
        ):
            raise Clash(f"{kind.name}: {object_id} exists already.")
        now = world.clock.now()
        base = {
            "id": object_id,
            "name": getattr(spec, "name", ""),
            "token": token,
            "created_at": now,
        }
        made = kind.make(world, self.project, base, spec)
        ready = now + (self.faults.build_seconds if kind.builds else 0.0)
        fails = kind.builds and self.faults.strikes(self.faults.build_error)
        shelf[object_id] = thing = Thing(object=made, ready_at=ready, fails=fails)
        world.tokens[self.project, kind.name, token] = object_id
        world.relate(self._slot(object_id), kind.needs(spec))
        seen = self._seen(thing)
        # The private key leaves the cloud this once, as Nova's does.
        return replace(seen, private_key=made.private_key) if isinstance(made, KeyPair) else seen

    def _thing(self, object_id: str) -> Thing:
        thing = self.world.shelf(self.project, self.kind.name).get(object_id)
        if thing is None:
            raise Missing(f"{self.kind.name}: there is no {object_id!r} in this project.")
        return thing

    def _seen(self, thing: Thing) -> Any:
        if thing.gone_at is not None:
            return replace(thing.object, status=ObjectStatus.DELETING)
        if self.world.clock.now() < thing.ready_at:
            return replace(thing.object, status=ObjectStatus.BUILDING)
        if thing.fails:
            return replace(
                thing.object,
                status=ObjectStatus.ERROR,
                fault="No valid host was found (simulated).",
            )
        related = self.kind.related
        return related(self.world, self.project, thing.object) if related else thing.object

    def _slot(self, object_id: str) -> Slot:
        return self.project, self.kind.name, object_id

    def _check_needs(self, spec: Any) -> None:
        self._check_there(self.kind.needs(spec))

    def _check_there(self, needs: Needs) -> None:
        for collection, object_id in needs:
            if object_id is not None and object_id not in self.world.shelf(
                self.project, collection
            ):
                raise Refused(
                    f"{self.kind.name}: there is no {object_id!r} among the {collection}.",
                    remedy="Create it first, in this project.",
                )


_LETS_GO: Mapping[str, tuple[str, ...]] = {
    "ports": ("floating_ips", "floating_ip_associations", "servers")
}
"""What is deleted to what does not hold it: as in Neutron, floating addresses and servers let go
of their ports."""


def _base(old: CloudObject, name: str) -> dict[str, Any]:
    return {
        "id": old.id,
        "name": name,
        "token": old.token,
        "status": old.status,
        "created_at": old.created_at,
    }


class SimulatedSession:
    """One project's view."""

    def __init__(self, cloud: "SimulatedCloud", project_id: ProjectId) -> None:
        self._cloud = cloud
        self._project_id = project_id
        self._made: dict[str, SimulatedCollection] = {}

    @property
    def project_id(self) -> ProjectId:
        """Whose view it is."""
        return self._project_id

    def plain(self, kind: str) -> SimulatedCollection:
        """The plain objects of a kind."""
        return self._collection(PLAIN[kind])

    def settings(self, kind: str) -> SimulatedSettings:
        """The settings of a kind."""
        return SimulatedSettings(self._cloud.world, self._cloud.faults, self._project_id, kind)

    def __getattr__(self, name: str) -> SimulatedCollection:
        kind = KINDS.get(name)
        if kind is None:
            raise AttributeError(name)
        return self._collection(kind)

    def _collection(self, kind: Kind) -> SimulatedCollection:
        name = kind.name
        if name not in self._made:
            self._made[name] = SimulatedCollection(
                self._cloud.world, self._cloud.faults, self._project_id, kind
            )
        return self._made[name]

    async def flavors(self) -> Sequence[Flavor]:
        """The sizes a server can have."""
        return FLAVORS

    async def images(self) -> Sequence[Image]:
        """What a server can boot: with the images of this project's servers."""
        kept = self._cloud.world.shelf(self._project_id, "server_images").values()
        own = [Image(id=each.object.id, name=each.object.name) for each in kept]
        return [*IMAGES, *own]

    async def quotas(self) -> Sequence[Quota]:
        """The same for every collection, when the faults set one."""
        limit = self._cloud.faults.quota
        if limit is None:
            return ()
        world = self._cloud.world
        shelves = ((name, world.shelf(self.project_id, name)) for name in KINDS)
        return [Quota(what=name, used=len(shelf), limit=limit) for name, shelf in shelves]

    async def hosts(self) -> Sequence[Host]:
        """A few, with room for everybody."""
        world = self._cloud.world
        world.calls += 1
        load = Counter(world.homes.values())
        return [
            Host(
                name=name,
                kind="simulated",
                up=True,
                enabled=not why,
                reason=why,
                zone="nova",
                vcpus=1024,
                ram_mib=4 * 1024 * 1024,
                servers=load[name],
            )
            for name, why in world.hosts.items()
        ]

    async def guests(self, host: str) -> Sequence[Guest]:
        """Of all projects."""
        world = self._cloud.world
        world.calls += 1
        if host not in world.hosts:
            raise Missing(f"There is no host {host!r}.")
        found = []
        for (project, kind, server_id), home in world.homes.items():
            if home == host:
                thing = world.things[project, kind][server_id]
                found.append(Guest(id=server_id, name=thing.object.name))
        return sorted(found, key=lambda guest: (guest.name, guest.id))

    async def services(self) -> Sequence[CloudService]:
        """One on each host."""
        world = self._cloud.world
        world.calls += 1
        return [
            CloudService(
                id=f"compute:{name}",
                name="simulated-compute",
                host=name,
                up=True,
                enabled=not why,
                reason=why,
                zone="nova",
                seen_at=world.clock.now(),
            )
            for name, why in world.hosts.items()
        ]

    async def set_service(self, service_id: str, enabled: bool, reason: str) -> None:
        """What runs on its host goes on."""
        world = self._cloud.world
        world.calls += 1
        name = service_id.removeprefix("compute:")
        if name not in world.hosts:
            raise Missing(f"There is no service {service_id!r}.")
        world.hosts[name] = "" if enabled else reason or "disabled"


class SimulatedCloud:
    """A cloud that exists in memory only; it ends with its process."""

    def __init__(
        self,
        *,
        clock: Clock,
        name: str = "simulated",
        world: World | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.name = name
        self.world = world or World(clock)
        self.faults = faults or Faults()
        self._furnished: set[ProjectId] = set()

    @property
    def info(self) -> CloudInfo:
        """What `mantle cloud show` prints."""
        return CloudInfo(
            name=self.name,
            kind="simulated",
            description="In memory only: for rehearsals and for scale.",
            facts={
                "objects": str(self.world.count()),
                "calls": str(self.world.calls),
                "seed": str(self.faults.seed),
            },
        )

    @property
    def limitations(self) -> Sequence[Limitation]:
        """None: it plays every part."""
        return ()

    def session(self, project_id: ProjectId) -> Any:
        """The view of one project; a new project finds a public network."""
        session = SimulatedSession(self, project_id)
        if project_id not in self._furnished:
            self._furnished.add(project_id)
            collection = session.networks
            if not self.world.shelf(project_id, "networks"):
                collection._create(NetworkSpec(name=PUBLIC), Token(f"public-{project_id}"))  # noqa: SLF001 - its own
        return session

    async def start(self) -> None:
        """Nothing outlives it."""

    async def stop(self) -> None:
        """Nothing to let go."""
