"""OS::Neutron::Port: a connection to a network, with its addresses."""

from collections.abc import Iterable, Mapping
from typing import Any

from mantle.clouds.ports import FixedIp, Missing, Port, PortSpec, Session
from mantle.model.schema import Kind, Neighbour, Neighbourhood, Property, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras, reserved
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import described, find_id, maybe_id, name_of, tags_of
from mantle.resources.neutron import net, subnet
from mantle.resources.schemas import (
    boolean,
    mapping,
    maps,
    old_name,
    schema,
    string,
    strings,
)
from mantle.resources.unique import first_of, had_once, held_once, listed

VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "direct-physical",
    "baremetal",
    "virtio-forwarder",
    "smart-nic",
)

EXTRA_PROPERTIES: Mapping[str, Property] = {
    "value_specs": mapping("Extra values.", default={}, update=True),
    "admin_state_up": boolean("Whether it carries traffic.", default=True, update=True),
    "mac_address": string("The MAC address.", custom="mac_addr"),
    "allowed_address_pairs": maps(
        "Other addresses that may pass.",
        {
            "mac_address": string("The MAC address.", custom="mac_addr"),
            "ip_address": string("The address or range.", required=True, custom="ip_or_cidr"),
        },
        update=True,
    ),
    "binding:vnic_type": string(
        "The kind of virtual interface.", default="normal", allowed=VNIC_TYPES, update=True
    ),
    "port_security_enabled": boolean("Whether traffic is filtered.", update=True),
    "qos_policy": string("A QoS policy.", custom="neutron.qos_policy", update=True),
    "propagate_uplink_status": boolean("Whether the uplink's state is passed on.", update=True),
    "no_fixed_ips": boolean("Whether it has no address at all.", default=False, update=True),
}
"""What a server's `port_extra_properties` may say too."""

SCHEMA = schema(
    "OS::Neutron::Port",
    "A connection to a network, with its addresses.",
    {
        "name": string("The name.", update=True),
        "network_id": old_name("network", custom="neutron.network"),
        "network": string("The network, by name or id.", required=True, custom="neutron.network"),
        "device_id": string("What it is for.", default="", update=True),
        "device_owner": string("Whose it is.", default="", update=True),
        "fixed_ips": maps(
            "Its addresses; without them one is chosen.",
            {
                "subnet_id": old_name("subnet", custom="neutron.subnet"),
                "subnet": string("The subnet, by name or id.", custom="neutron.subnet"),
                "ip_address": string("The address.", custom="ip_addr"),
            },
            update=True,
        ),
        "security_groups": strings("Security groups, by name or id.", update=True),
        "replacement_policy": string(
            "Whether every update replaces it.",
            default="AUTO",
            allowed=("REPLACE_ALWAYS", "AUTO"),
            hidden=True,
            update=True,
        ),
        "dns_name": string("The DNS name.", custom="dns_name", update=True),
        "tags": strings("Tags.", update=True),
        **EXTRA_PROPERTIES,
    },
    {
        "admin_state_up": (Kind.STRING, "Whether it carries traffic."),
        "device_id": (Kind.STRING, "What it is for."),
        "device_owner": (Kind.STRING, "Whose it is."),
        "fixed_ips": (Kind.LIST, "Its addresses with their subnets."),
        "mac_address": (Kind.STRING, "The MAC address."),
        "name": (Kind.STRING, "The name."),
        "network_id": (Kind.STRING, "The network."),
        "security_groups": (Kind.LIST, "Ids of its security groups."),
        "status": (Kind.STRING, "The state."),
        "tenant_id": (Kind.STRING, "The project that owns it."),
        "allowed_address_pairs": (Kind.LIST, "Other addresses that may pass."),
        "subnets": (Kind.LIST, "The subnets of its addresses, in full."),
        "port_security_enabled": (Kind.BOOLEAN, "Whether traffic is filtered."),
        "qos_policy_id": (Kind.STRING, "The QoS policy."),
        "dns_assignment": (Kind.MAP, "Its DNS names."),
        "network": (Kind.MAP, "The network, in full."),
        "propagate_uplink_status": (Kind.BOOLEAN, "Whether the uplink's state is passed on."),
    },
)

EXTRA_NOT_OFFERED = {
    "value_specs": "no extra values are understood. Leave value_specs out.",
    "binding:vnic_type": "only normal is offered. Leave binding:vnic_type out.",
    "qos_policy": "there are no QoS policies. Leave qos_policy out.",
    "propagate_uplink_status": "it cannot be chosen. Leave propagate_uplink_status out.",
    "no_fixed_ips": "every port has an address. Leave no_fixed_ips out.",
}
EXTRA_HARMLESS = {"binding:vnic_type": ("normal",)}
"""In a server's `port_extra_properties`."""

PASSED_ON = {
    "qos_policy": "qos_policy_id",
    "propagate_uplink_status": "propagate_uplink_status",
}


def replace_when(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """An old template may ask for a new port at every change."""
    if after.get("replacement_policy") == "REPLACE_ALWAYS" and before != after:
        return "replacement_policy is REPLACE_ALWAYS"
    return None


def subnets_of_network(network: Any, others: Neighbourhood) -> tuple[str, ...]:
    """The template's subnets on this network: an address can be chosen only after they exist."""
    if network is None:
        return ()
    return tuple(others.names_with("OS::Neutron::Subnet", _network_of, network))


def _network_of(subnet: Neighbour) -> Any:
    return subnet.properties.get("network", subnet.properties.get("network_id"))


def neighbours(own: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """A port waits for the subnets of its network."""
    return subnets_of_network(own.get("network", own.get("network_id")), others)


async def group_ids(cloud: Session, names: Iterable[str]) -> tuple[str, ...]:
    """Security groups' ids."""
    return tuple(
        [
            await find_id(cloud, lambda session: session.security_groups, "security group", name)
            for name in names
        ]
    )


async def subnet_id(cloud: Session, name_or_id: str | None) -> str | None:
    """A subnet's id, where one is named."""
    return await maybe_id(cloud, lambda session: session.subnets, "subnet", name_or_id)


async def spec(ctx: Context) -> PortSpec:
    """What to ask for."""
    wanted = ctx.properties
    groups = wanted.get("security_groups")
    return PortSpec(
        name=name_of(ctx),
        network_id=await find_id(
            ctx.cloud, lambda session: session.networks, "network", wanted["network"]
        ),
        fixed_ips=tuple(
            [
                FixedIp(
                    subnet_id=await subnet_id(ctx.cloud, each.get("subnet")),
                    ip_address=each.get("ip_address"),
                )
                for each in wanted.get("fixed_ips") or ()
            ]
        ),
        security_groups=None if groups is None else await group_ids(ctx.cloud, groups),
        device_id=wanted.get("device_id") or "",
        device_owner=wanted.get("device_owner") or "",
        dns_name=wanted.get("dns_name") or "",
        tags=tags_of(ctx),
        extra=_extra(wanted),
        **extra_fields(wanted),
    )


def _extra(wanted: Mapping[str, Any]) -> dict[str, Any]:
    found = extras(wanted, PASSED_ON)
    if wanted.get("binding:vnic_type") not in {None, "normal"}:
        found["binding:vnic_type"] = wanted["binding:vnic_type"]
    if wanted.get("no_fixed_ips"):
        found["fixed_ips"] = []
    return found


def extra_fields(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a port's spec that a server's `port_extra_properties` can set too."""
    return {
        "admin_state_up": wanted.get("admin_state_up", True),
        "mac_address": wanted.get("mac_address"),
        "allowed_address_pairs": tuple(
            (pair.get("mac_address") or "", pair["ip_address"])
            for pair in wanted.get("allowed_address_pairs") or ()
        ),
        "port_security_enabled": wanted.get("port_security_enabled"),
    }


def written(port: Port, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this port. Whose it is, its user says."""
    spec = port.spec
    groups = spec.security_groups
    return {
        "name": port.name,
        "network": peer("OS::Neutron::Net", spec.network_id),
        "fixed_ips": [
            {
                "subnet": peer("OS::Neutron::Subnet", each.subnet_id),
                "ip_address": each.ip_address,
            }
            for each in spec.fixed_ips
        ],
        "security_groups": None
        if groups is None
        else [peer("OS::Neutron::SecurityGroup", each) for each in groups],
        "dns_name": spec.dns_name or None,
        "admin_state_up": spec.admin_state_up,
        "mac_address": spec.mac_address,
        "allowed_address_pairs": [
            {"mac_address": mac_address or None, "ip_address": ip_address}
            for mac_address, ip_address in spec.allowed_address_pairs
        ],
        "port_security_enabled": spec.port_security_enabled,
        "tags": list(spec.tags),
    }


async def attributes(ctx: Context, port: Port) -> Mapping[str, Any]:
    """As Neutron's; what no cloud here has is null."""
    return {
        "admin_state_up": port.spec.admin_state_up,
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "fixed_ips": [
            {"subnet_id": each.subnet_id, "ip_address": each.ip_address} for each in port.fixed_ips
        ],
        "mac_address": port.mac_address,
        "name": port.name,
        "network_id": port.spec.network_id,
        "security_groups": list(port.spec.security_groups or ()),
        "status": port.status.value,
        "tenant_id": ctx.ref.project_id,
        "allowed_address_pairs": [
            {"mac_address": mac_address or port.mac_address, "ip_address": ip_address}
            for mac_address, ip_address in port.spec.allowed_address_pairs
        ],
        "subnets": await _subnets(ctx, port),
        "port_security_enabled": port.spec.port_security_enabled,
        "qos_policy_id": port.more.get("qos_policy_id"),
        "dns_assignment": port.more.get("dns_assignment"),
        "network": await _network(ctx, port),
        "propagate_uplink_status": port.more.get("propagate_uplink_status"),
    }


async def _subnets(ctx: Context, port: Port) -> list[dict[str, Any]]:
    told = []
    for subnet_id in dict.fromkeys(each.subnet_id for each in port.fixed_ips if each.subnet_id):
        try:
            found = await described(ctx.cloud.subnets, subnet_id)
        except Missing:
            continue
        told.append({"id": found.id, **subnet.described(found, ctx.ref.project_id)})
    return told


async def _network(ctx: Context, port: Port) -> dict[str, Any] | None:
    try:
        found = await described(ctx.cloud.networks, port.spec.network_id)
    except Missing:
        return None
    return {"id": found.id, **net.described(found, ctx.ref.project_id)}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=reserved,
            replace_when=replace_when,
            neighbours=neighbours,
            old_first=first_of(
                held_once("the address", listed("fixed_ips", "ip_address")),
                had_once("its MAC address", "mac_address", "network"),
            ),
        ),
        noun="port",
        collection=lambda session: session.ports,
        spec=spec,
        attributes=attributes,
        written=written,
        unseen=frozenset({"device_id", "device_owner"}),
        remedy="Choose another network or address, then update the stack.",
    )
)
