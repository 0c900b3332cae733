"""What exists in the simulated cloud. Several engines may share one world."""

import heapq
import ipaddress
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from mantle.clouds.ports import (
    CloudObject,
    Deed,
    Exhausted,
    FloatingIp,
    LoadBalancer,
    Port,
    Refused,
    Volume,
    VolumeBackup,
    VolumeSnapshot,
)
from mantle.lib.clock import Clock
from mantle.model.ids import ProjectId, Token


@dataclass(slots=True, kw_only=True)
class Thing:
    """One object and where it is in its life."""

    object: CloudObject
    ready_at: float
    fails: bool = False
    gone_at: float | None = None
    uses: "tuple[Slot, ...]" = ()
    """What it needs, and holds fast while it exists."""


Slot = tuple[ProjectId, str, str]
"""(project, collection, id) of one object."""

HOSTS = ("simulated-1", "simulated-2", "simulated-3", "simulated-4")


@dataclass(slots=True)
class World:
    """All objects of all projects, and the addresses given out.

    Every call costs the same however much exists: ends come from a heap, and who uses whom is
    kept as an index (`uses`), from which what objects say of each other is derived.
    """

    clock: Clock
    things: dict[tuple[ProjectId, str], dict[str, Thing]] = field(default_factory=dict)
    tokens: dict[tuple[ProjectId, str, Token], str] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)
    """By subnet id."""
    lowest: dict[str, int] = field(default_factory=dict)
    """By subnet id: no host number below it is free."""
    uses: dict[Slot, dict[str, dict[str, None]]] = field(default_factory=dict)
    """The used object to its users' ids by collection, oldest first."""
    contents: dict[Slot, str] = field(default_factory=dict)
    """What volumes, servers and their copies hold: any text; nothing is the empty one."""
    settings: dict[Slot, dict[str, Any]] = field(default_factory=dict)
    """(project, kind, target) to what is set there."""
    ends: list[tuple[float, Slot]] = field(default_factory=list)
    """A heap of the objects being deleted, by when they will be gone."""
    hosts: dict[str, str] = field(default_factory=lambda: dict.fromkeys(HOSTS, ""))
    """By name: why the host gets no new servers, or nothing."""
    homes: dict[Slot, str] = field(default_factory=dict)
    """Which host a server is on."""
    deeds: dict[Slot, list[Deed]] = field(default_factory=dict)
    """What was done to a server, the newest first."""
    made: int = 0
    calls: int = 0

    def shelf(self, project: ProjectId, collection: str) -> dict[str, Thing]:
        """One project's objects of one kind, without those whose end has come."""
        if self.ends:
            now = self.clock.now()
            while self.ends and self.ends[0][0] <= now:
                self._forget(heapq.heappop(self.ends)[1])
        return self.things.setdefault((project, collection), {})

    def doom(self, slot: Slot, thing: Thing, at: float) -> None:
        """It will be gone at this time."""
        thing.gone_at = at
        heapq.heappush(self.ends, (at, slot))

    def relate(self, slot: Slot, used: Iterable[tuple[str, str | None]]) -> None:
        """From now on this object uses exactly these (collection, id)."""
        project, collection, object_id = slot
        thing = self.things[project, collection][object_id]
        for target in thing.uses:
            users = self.uses[target][collection]
            del users[object_id]
            if not users:
                del self.uses[target][collection]
            if not self.uses[target]:
                del self.uses[target]
        thing.uses = tuple((project, kind, each) for kind, each in dict.fromkeys(used) if each)
        for target in thing.uses:
            self.uses.setdefault(target, {}).setdefault(collection, {})[object_id] = None

    def users(self, slot: Slot, collection: str) -> tuple[str, ...]:
        """The ids of what uses it in this collection and is not being deleted."""
        ids = self.uses.get(slot, {}).get(collection, ())
        shelf = self.things.get((slot[0], collection), {})
        return tuple(each for each in ids if shelf[each].gone_at is None)

    def user_of(self, slot: Slot, let_go: Container[str] = ()) -> str | None:
        """Something that holds it fast, in none of these collections; None when it is free."""
        for collection in self.uses.get(slot, ()):
            users = () if collection in let_go else self.users(slot, collection)
            if users:
                return f"{collection} {users[0]}"
        return None

    def _forget(self, slot: Slot) -> None:
        project, collection, object_id = slot
        self.relate(slot, ())
        self.contents.pop(slot, None)
        self.homes.pop(slot, None)
        self.deeds.pop(slot, None)
        for setting in [each for each in self.settings if each[::2] == (project, object_id)]:
            del self.settings[setting]
        thing = self.things[project, collection].pop(object_id)
        self.tokens.pop((project, collection, thing.object.token), None)
        self.release(_addresses(thing.object))

    def copy(self, source: Slot, target: Slot) -> None:
        """The target holds what the source holds; a source that is not there holds nothing."""
        held = self.contents.get(source, "")
        if held:
            self.contents[target] = held
        else:
            self.contents.pop(target, None)

    def size_of(self, slot: Slot) -> int:
        """Gibibytes of a volume or of a copy of one."""
        item = self.shelf(slot[0], slot[1])[slot[2]].object
        match item:
            case Volume():
                return item.spec.size_gib
            case VolumeSnapshot() | VolumeBackup():
                return item.size_gib
            case _:
                return 0

    def home(self, slot: Slot) -> str:
        """The host of a server; a new one gets the first that takes any, in turn."""
        if slot not in self.homes:
            taking = [name for name, why in self.hosts.items() if not why]
            if not taking:
                raise Exhausted("No valid host was found.", remedy="Enable a host.")
            self.homes[slot] = taking[len(self.homes) % len(taking)]
        return self.homes[slot]

    def did(self, slot: Slot, verb: str) -> None:
        """Remember what was done to a server."""
        self.made += 1
        deed = Deed(id=f"deed-{self.made}", verb=verb, at=self.clock.now())
        self.deeds.setdefault(slot, []).insert(0, deed)

    def new_id(self, collection: str) -> str:
        """Ids are counted, so that runs are alike: `ports-000007`, in the form of a UUID."""
        self.made += 1
        return f"{self.made:08x}-0000-4000-8000-{hash_of(collection):012x}"

    def take_address(self, subnet_id: str, cidr: str, wanted: str | None) -> str:
        """A free host address of a subnet; the first is the gateway's."""
        network = ipaddress.ip_network(cidr, strict=False)
        taken = self.addresses.setdefault(subnet_id, set())
        if wanted is not None:
            if ipaddress.ip_address(wanted) not in network:
                raise Refused(f"The address {wanted} is not in the subnet {cidr}.")
            if wanted in taken:
                raise Refused(f"The address {wanted} is in use.")
            taken.add(wanted)
            return wanted
        for number in range(self.lowest.get(subnet_id, 2), network.num_addresses - 1):
            address = str(network[number])
            if address not in taken:
                taken.add(address)
                self.lowest[subnet_id] = number + 1
                return address
        raise Exhausted(f"The subnet {cidr} has no free address.", remedy="Use a larger subnet.")

    def release(self, addresses: Iterable[tuple[str, str]]) -> None:
        """These (subnet id, address) are free again."""
        for subnet_id, address in addresses:
            self.addresses.get(subnet_id, set()).discard(address)
            self.lowest.pop(subnet_id, None)

    def release_what_left(self, before: CloudObject, after: CloudObject) -> None:
        """The addresses an update took from an object are free again."""
        self.release(set(_addresses(before)) - set(_addresses(after)))

    def count(self, collection: str | None = None) -> int:
        """Objects that exist, of one kind or of all."""
        return sum(
            len(self.shelf(project, kind))
            for project, kind in list(self.things)
            if collection in {None, kind}
        )

    def listing(self) -> list[tuple[str, str, str]]:
        """(collection, id, token) of everything that exists, for orphan checks."""
        return sorted(
            (kind, object_id, thing.object.token)
            for project, kind in list(self.things)
            for object_id, thing in self.shelf(project, kind).items()
            if thing.gone_at is None
        )


def hash_of(text: str) -> int:
    """A small number for a text, the same in every process."""
    value = 0
    for letter in text:
        value = (value * 131 + ord(letter)) % (1 << 48)
    return value


def _addresses(item: CloudObject) -> list[tuple[str, str]]:
    """(subnet id, address) of every address an object holds."""
    match item:
        case Port():
            pairs = [(ip.subnet_id, ip.ip_address) for ip in item.fixed_ips]
        case FloatingIp():
            pairs = [(floating_pool(item.spec.network_id), item.address)]
        case LoadBalancer():
            pairs = [(item.spec.vip_subnet_id, item.vip_address)]
        case _:
            pairs = []
    return [(subnet_id, address) for subnet_id, address in pairs if subnet_id and address]


def floating_pool(network_id: str) -> str:
    """Under which name a public network's addresses are kept."""
    return f"floating:{network_id}"
