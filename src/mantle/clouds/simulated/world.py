"""What exists in the simulated cloud. Several engines may share one world."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any

from mantle.clouds.ports import CloudObject, Exhausted, Refused
from mantle.lib.clock import Clock
from mantle.model.ids import ProjectId, Token


@dataclass(slots=True, kw_only=True)
class Thing:
    """One object and where it is in its life."""

    object: CloudObject
    ready_at: float
    fails: bool = False
    gone_at: float | None = None


@dataclass(slots=True)
class World:
    """All objects of all projects, and the addresses given out."""

    clock: Clock
    things: dict[tuple[ProjectId, str], dict[str, Thing]] = field(default_factory=dict)
    tokens: dict[tuple[ProjectId, str, Token], str] = field(default_factory=dict)
    addresses: dict[str, set[str]] = field(default_factory=dict)
    """By subnet id."""
    made: int = 0
    calls: int = 0

    def shelf(self, project: ProjectId, collection: str) -> dict[str, Thing]:
        """One project's objects of one kind, without those whose end has come."""
        shelf = self.things.setdefault((project, collection), {})
        now = self.clock.now()
        for object_id in [
            key
            for key, thing in shelf.items()
            if thing.gone_at is not None and thing.gone_at <= now
        ]:
            self._forget(project, collection, shelf.pop(object_id))
        return shelf

    def _forget(self, project: ProjectId, collection: str, thing: Thing) -> None:
        self.tokens.pop((project, collection, thing.object.token), None)
        for taken in self.addresses.values():
            for address in _addresses(thing.object):
                taken.discard(address)

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
        for number in range(2, network.num_addresses - 1):
            address = str(network[number])
            if address not in taken:
                taken.add(address)
                return address
        raise Exhausted(f"The subnet {cidr} has no free address.", remedy="Use a larger subnet.")

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


def _addresses(item: CloudObject) -> list[str]:
    found: list[str] = [ip.ip_address for ip in getattr(item, "fixed_ips", ()) if ip.ip_address]
    for name in ("address", "vip_address"):
        value: Any = getattr(item, name, None)
        if isinstance(value, str) and value:
            found.append(value)
    return found
