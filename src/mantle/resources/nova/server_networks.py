"""A server's interfaces: from the property `networks` to what the cloud is asked for.

An entry that names a subnet or details of its port needs a port that the cloud would not make by
itself. Such a port is made here, before the server, with a token of its own derived from the
server's; so after a crash it is found again, and deleting the server deletes it too.
"""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Address, Clash, FixedIp, Missing, Nic, PortSpec, Server, Session
from mantle.model.ids import Token
from mantle.model.schema import Neighbourhood
from mantle.resources.kit import Context
from mantle.resources.names import find_id, find_object, named_lately
from mantle.resources.neutron.port import extra_fields, group_ids, subnets_of_network


def needs_own_port(entry: Mapping[str, Any]) -> bool:
    """Whether a port is to be made for this entry."""
    asks = entry.get("subnet") is not None or bool(entry.get("port_extra_properties"))
    return asks and entry.get("port") is None


MADE_BY = "made_by"
"""In a row's data: the token by which the cloud knows a server that was adopted."""


def port_token(token: Token, position: int) -> Token:
    """The token of the port made for the entry at this position."""
    return Token(f"{token}-nic{position}")


async def nics(ctx: Context, name: str) -> tuple[Nic, ...]:
    """One interface per entry; makes the ports that need making."""
    found = []
    for position, entry in enumerate(ctx.properties.get("networks") or ()):
        if entry.get("allocate_network") is not None:
            continue
        found.append(await _nic(ctx, entry, position, name))
    return tuple(found)


async def _nic(ctx: Context, entry: Mapping[str, Any], position: int, name: str) -> Nic:
    if entry.get("port") is not None:
        port_id = await find_id(ctx.cloud, lambda session: session.ports, "port", entry["port"])
        return Nic(port_id=port_id, tag=entry.get("tag"))
    if needs_own_port(entry):
        spec = await _port_spec(ctx, entry, f"{name}-port-{position}")
        port = await ctx.cloud.ports.create(spec, port_token(ctx.ref.token, position))
        return Nic(port_id=port.id, tag=entry.get("tag"))
    return Nic(
        network_id=await find_id(
            ctx.cloud, lambda session: session.networks, "network", entry["network"]
        ),
        fixed_ip=entry.get("fixed_ip"),
        tag=entry.get("tag"),
    )


async def _port_spec(ctx: Context, entry: Mapping[str, Any], name: str) -> PortSpec:
    subnet = None
    if entry.get("subnet") is not None:
        subnet = await find_object(
            ctx.cloud, lambda session: session.subnets, "subnet", entry["subnet"]
        )
    if entry.get("network") is not None:
        network_id = await find_id(
            ctx.cloud, lambda session: session.networks, "network", entry["network"]
        )
    else:
        assert subnet is not None, "an entry without network and port has a subnet"
        network_id = subnet.spec.network_id
    address = FixedIp(
        subnet_id=subnet.id if subnet else None, ip_address=entry.get("fixed_ip") or None
    )
    groups = ctx.properties.get("security_groups")
    return PortSpec(
        name=name,
        network_id=network_id,
        fixed_ips=(address,) if address.subnet_id or address.ip_address else (),
        security_groups=await group_ids(ctx.cloud, groups) if groups else None,
        **extra_fields(entry.get("port_extra_properties") or {}),
    )


async def drop_ports(ctx: Context) -> str | None:
    """Delete the ports made here; what is still there, or None when all are gone."""
    for position, entry in enumerate(ctx.properties.get("networks") or ()):
        if not needs_own_port(entry):
            continue
        maker = Token(ctx.ref.data.get(MADE_BY, ctx.ref.token))
        port = await ctx.cloud.ports.find(port_token(maker, position))
        if port is None:
            continue
        try:
            await ctx.cloud.ports.delete(port.id)
            await ctx.cloud.ports.get(port.id)
        except Missing:
            continue
        except Clash as clash:
            return f"port {port.name} is in use: {clash}"
        return f"port {port.name} is being deleted"
    return None


def replaced_by(before: Any, after: Any) -> str | None:
    """Why changed interfaces need a new server, or None.

    Interfaces can be added and taken away at the end of the list. Any other change, and any that
    concerns a port made here, is another server: in place it would leave the others renumbered.
    """
    old, new = before or [], after or []
    if old == new:
        return None
    if not isinstance(old, list) or not isinstance(new, list):
        return "networks change"
    shared = min(len(old), len(new))
    if not shared or old[:shared] != new[:shared]:
        return "networks change"
    moved = [*old[shared:], *new[shared:]]
    if any(not isinstance(each, Mapping) or needs_own_port(each) for each in moved):
        return "networks change, in an interface with a port of its own"
    return None


def neighbours(own: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """A server waits for the subnets of its networks: its address comes from one of them."""
    entries = own.get("networks")
    if not isinstance(entries, list):
        return ()
    names = [
        name
        for entry in entries
        if isinstance(entry, Mapping)
        for name in subnets_of_network(entry.get("network", entry.get("uuid")), others)
    ]
    return tuple(dict.fromkeys(names))


async def network_ids(cloud: Session, server: Server) -> dict[str, str]:
    """Names of the server's networks to ids, as far as names are unique."""
    found = {}
    for name in dict.fromkeys(address.network for address in server.addresses):
        named = await named_lately(cloud.networks, name)
        if len(named) == 1:
            found[name] = named[0].id
    return found


def address_map(server: Server, ids: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
    """The attribute `addresses`: by network name, and by id."""
    grouped: dict[str, list[dict[str, Any]]] = {}
    for address in server.addresses:
        entry = _nova_entry(address)
        for key in dict.fromkeys((address.network, ids.get(address.network, address.network))):
            grouped.setdefault(key, []).append(entry)
    return grouped


def _nova_entry(address: Address) -> dict[str, Any]:
    return {
        "addr": address.address,
        "version": address.version,
        "OS-EXT-IPS:type": address.type,
        "OS-EXT-IPS-MAC:mac_addr": address.mac_address,
        "port": address.port_id,
    }
