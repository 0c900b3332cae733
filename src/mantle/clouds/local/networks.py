"""Networks and subnets: a subnet is a block of the loopback range.

Every project has the network `private` (servers without nics are put on it) and the external
network `public` (floating addresses come from it). What a subnet reports (`cidr`, gateway, pools)
is what the template wrote; what ports, servers and VIPs report is where they are really reached.
"""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from mantle.clouds.local import addresses
from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import NetworkNotes, Project, State, SubnetNotes
from mantle.clouds.ports import (
    GIVEN,
    Clash,
    Network,
    NetworkSpec,
    Refused,
    Subnet,
    SubnetSpec,
)
from mantle.model.ids import Token

LOOPBACK_MTU = 65536
PRIVATE_PREFIX = 22
PUBLIC_PREFIX = 24

NetworkEntry = Entry[Network, NetworkNotes]
SubnetEntry = Entry[Subnet, SubnetNotes]


class Networks(LocalCollection[NetworkSpec, Network, NetworkNotes]):
    """Networks: a name over subnets."""

    kind = "network"

    def _make(self, spec: NetworkSpec, token: Token) -> NetworkEntry:
        object_id, now = self._new()
        mtu = spec.mtu or LOOPBACK_MTU
        network = Network(
            id=object_id, name=spec.name, token=token, created_at=now, spec=spec, mtu=mtu
        )
        return Entry(network, NetworkNotes())

    def _change(self, entry: NetworkEntry, spec: NetworkSpec) -> NetworkEntry:
        changed = replace(entry.object, name=spec.name, spec=spec, mtu=spec.mtu or LOOPBACK_MTU)
        return replace(entry, object=changed)

    def _view(self, entry: NetworkEntry) -> Network:
        subnets = [
            subnet.object.id
            for subnet in self._project.subnets
            if subnet.object.spec.network_id == entry.object.id
        ]
        return replace(entry.object, subnet_ids=tuple(subnets))

    def _check_unused(self, entry: NetworkEntry) -> None:
        if entry.notes.given:
            raise Refused(f"Network {entry.object.name!r} comes with the project and stays.")
        using = [
            port.object.id
            for port in self._project.ports
            if port.object.spec.network_id == entry.object.id
        ]
        if using:
            raise Clash(f"Network {entry.object.name!r} has ports: {', '.join(using[:3])}.")

    def _let_go(self, entry: NetworkEntry) -> None:
        for subnet in self._project.subnets:
            if subnet.object.spec.network_id == entry.object.id:
                self._project.subnets.drop(subnet.object.id)
        self._shelf.drop(entry.object.id)


class Subnets(LocalCollection[SubnetSpec, Subnet, SubnetNotes]):
    """Subnets, each laid one-to-one onto a loopback block of its own."""

    kind = "subnet"

    def _make(self, spec: SubnetSpec, token: Token) -> SubnetEntry:
        if self._project.networks.get(spec.network_id) is None:
            raise Refused(f"There is no network {spec.network_id!r} in this project.")
        if spec.ip_version != 4:
            raise Refused("The local cloud has IPv4 only.", remedy="Set ip_version to 4.")
        _check_names(spec)
        cidr = addresses.read_network(spec.cidr)
        for sibling in self._project.subnets:
            other = addresses.read_network(sibling.object.spec.cidr)
            if sibling.object.spec.network_id == spec.network_id and other.overlaps(cidr):
                raise Refused(
                    f"{cidr} overlaps {other} of subnet {sibling.object.name!r} on this network.",
                    remedy="Choose another range.",
                )
        block = addresses.choose_block(
            cidr, self._state.settings.loopback_block, self._state.blocks()
        )
        object_id, now = self._new()
        subnet = Subnet(id=object_id, name=spec.name, token=token, created_at=now, spec=spec)
        return Entry(_filled_in(subnet), SubnetNotes(str(block)))

    def _change(self, entry: SubnetEntry, spec: SubnetSpec) -> SubnetEntry:
        before = entry.object.spec
        for name in ("network_id", "cidr", "ip_version"):
            if getattr(before, name) != getattr(spec, name):
                raise Refused(f"A subnet's {name} cannot change in place.")
        _check_names(spec)
        return replace(entry, object=_filled_in(replace(entry.object, name=spec.name, spec=spec)))

    def _check_unused(self, entry: SubnetEntry) -> None:
        subnet = entry.object
        network = self._project.networks.get(subnet.spec.network_id)
        if network is not None and network.notes.given:
            raise Refused(f"Subnet {subnet.name!r} comes with the project and stays.")
        for interface in self._project.router_interfaces:
            if interface.object.spec.subnet_id == subnet.id:
                router = interface.object.spec.router_id
                raise Clash(f"Subnet {subnet.name!r} has an interface on router {router}.")
        for port in self._project.ports:
            if any(fixed.subnet_id == subnet.id for fixed in port.object.fixed_ips):
                raise Clash(f"Subnet {subnet.name!r} has the port {port.object.id}.")


def _check_names(spec: SubnetSpec) -> None:
    for address in spec.dns_nameservers:
        addresses.read_address(address)


def _filled_in(subnet: Subnet) -> Subnet:
    """With the gateway and the pools its spec asks for or leaves to the cloud."""
    cidr = addresses.read_network(subnet.spec.cidr)
    gateway = addresses.gateway_of(cidr, subnet.spec.gateway_ip)
    pools = addresses.pools_of(cidr, gateway, subnet.spec.allocation_pools)
    return replace(subnet, gateway_ip=gateway, allocation_pools=pools)


def find_network(project: Project, name_or_id: str) -> NetworkEntry:
    """By id or name; `Refused` when there is none, or more than one of the name."""
    entry = project.networks.get(name_or_id)
    named = [entry] if entry else [one for one in project.networks if one.object.name == name_or_id]
    if len(named) != 1:
        how_many = "no" if not named else "more than one"
        raise Refused(f"There is {how_many} network {name_or_id!r} in this project.")
    return named[0]


def find_subnet(project: Project, name_or_id: str) -> SubnetEntry:
    """By id or name; `Refused` when there is none, or more than one of the name."""
    entry = project.subnets.get(name_or_id)
    named = [entry] if entry else [one for one in project.subnets if one.object.name == name_or_id]
    if len(named) != 1:
        how_many = "no" if not named else "more than one"
        raise Refused(f"There is {how_many} subnet {name_or_id!r} in this project.")
    return named[0]


def take_address(project: Project, entry: SubnetEntry, asked: str | None) -> IPv4Address:
    """A free loopback address of the subnet: the one asked for, in either space, or the lowest."""
    cidr = addresses.read_network(entry.object.spec.cidr)
    block = IPv4Network(entry.notes.block)
    used = set(project.used_addresses(entry.object.id))
    if asked is not None:
        address = addresses.place(asked, cidr, block)
        if address in used:
            raise Clash(
                f"Address {asked} of subnet {entry.object.name!r} is taken.",
                remedy="Choose another, or none to let the cloud choose.",
            )
        return address
    pools = [
        (addresses.place(low, cidr, block), addresses.place(high, cidr, block))
        for low, high in entry.object.allocation_pools
    ]
    return addresses.first_free(pools, used, entry.object.name)


def reachable(project: Project, address: str, subnet_id: str | None = None) -> str:
    """Where an address of a template is really reached; one of no subnet is left as it is.

    A named subnet is asked first, because two networks may have the same range.
    """
    number = addresses.read_address(address)
    if number in addresses.LOOPBACK:
        return address
    named = project.subnets.get(subnet_id or "")
    for subnet in (*([named] if named else []), *project.subnets):
        cidr = addresses.read_network(subnet.object.spec.cidr)
        if number in cidr:
            block = IPv4Network(subnet.notes.block)
            return str(addresses.translate(number, cidr, block))
    return address


def ensure_given(state: State, project: Project) -> None:
    """Give the project its `private` and `public` networks, once."""
    for name, prefix, external in (
        ("private", PRIVATE_PREFIX, False),
        ("public", PUBLIC_PREFIX, True),
    ):
        token = Token(f"{GIVEN}{name}")
        with state.lock:
            entry = project.networks.find(token)
            if entry is None:
                network = Network(
                    id=state.settings.new_id(),
                    name=name,
                    token=token,
                    created_at=state.settings.clock.now(),
                    spec=NetworkSpec(name=name),
                    external=external,
                    mtu=LOOPBACK_MTU,
                )
                entry = project.networks.put(Entry(network, NetworkNotes(given=True)))
            if project.subnets.find(token) is None:
                whole = state.settings.loopback_block
                length = max(prefix, whole.prefixlen + 2)
                # Any range of this length outside the loopback makes the cloud choose a block.
                asked = IPv4Network((0x0A000000, length))
                block = addresses.choose_block(asked, whole, state.blocks())
                spec = SubnetSpec(
                    name=f"{name}-subnet", network_id=entry.object.id, cidr=str(block)
                )
                subnet = Subnet(
                    id=state.settings.new_id(),
                    name=spec.name,
                    token=token,
                    created_at=state.settings.clock.now(),
                    spec=spec,
                )
                project.subnets.put(Entry(_filled_in(subnet), SubnetNotes(str(block))))
