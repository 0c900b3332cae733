"""OS::Neutron::Subnet: a range of addresses on a network."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Subnet, SubnetSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras, reserved
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id, name_of, tags_of
from mantle.resources.schemas import (
    boolean,
    integer,
    mapping,
    maps,
    not_offered,
    old_name,
    one_of,
    rules,
    schema,
    string,
    strings,
)
from mantle.resources.unique import had_once

IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")

SCHEMA = schema(
    "OS::Neutron::Subnet",
    "A range of addresses on a network.",
    {
        "network_id": old_name("network", custom="neutron.network"),
        "network": string("The network, by name or id.", required=True, custom="neutron.network"),
        "subnetpool": string("A pool to take the range from.", custom="neutron.subnetpool"),
        "prefixlen": integer("Bits of the prefix taken from the pool.", low=0),
        "cidr": string("The range, such as 10.0.0.0/24.", custom="net_cidr"),
        "value_specs": mapping("Extra values.", default={}, update=True),
        "name": string("The name.", update=True),
        "ip_version": integer("4 or 6.", default=4, allowed=(4, 6)),
        "dns_nameservers": strings("DNS servers.", default=[], update=True),
        "gateway_ip": string("The gateway; an empty text for none.", update=True),
        "enable_dhcp": boolean("Whether addresses are handed out.", default=True, update=True),
        "allocation_pools": maps(
            "Ranges that addresses are chosen from.",
            {
                "start": string("The first address.", required=True, custom="ip_addr"),
                "end": string("The last address.", required=True, custom="ip_addr"),
            },
            update=True,
        ),
        "tenant_id": string("The project that owns it."),
        "host_routes": maps(
            "Routes given to hosts.",
            {
                "destination": string("The range.", required=True, custom="net_cidr"),
                "nexthop": string("The way there.", required=True, custom="ip_addr"),
            },
            update=True,
        ),
        "ipv6_ra_mode": string("Router advertisements.", allowed=IPV6_MODES),
        "ipv6_address_mode": string("How IPv6 addresses are made.", allowed=IPV6_MODES),
        "segment": string("The segment.", custom="neutron.segment", update=True),
        "tags": strings("Tags.", update=True),
    },
    {
        "name": (Kind.STRING, "The name."),
        "network_id": (Kind.STRING, "The network."),
        "tenant_id": (Kind.STRING, "The project that owns it."),
        "allocation_pools": (Kind.LIST, "Ranges that addresses are chosen from."),
        "gateway_ip": (Kind.STRING, "The gateway."),
        "host_routes": (Kind.LIST, "Routes given to hosts."),
        "ip_version": (Kind.STRING, "4 or 6."),
        "cidr": (Kind.STRING, "The range."),
        "dns_nameservers": (Kind.LIST, "DNS servers."),
        "enable_dhcp": (Kind.STRING, "Whether addresses are handed out."),
    },
    begins_with="cidr",
)

NOT_OFFERED = {
    "tenant_id": "a subnet always belongs to the stack's project. Leave tenant_id out.",
}

PASSED_ON = {
    "subnetpool": "subnetpool_id",
    "prefixlen": "prefixlen",
    "ipv6_ra_mode": "ipv6_ra_mode",
    "ipv6_address_mode": "ipv6_address_mode",
    "segment": "segment_id",
}


async def spec(ctx: Context) -> SubnetSpec:
    """What to ask for."""
    wanted = ctx.properties
    return SubnetSpec(
        name=name_of(ctx),
        network_id=await find_id(
            ctx.cloud, lambda session: session.networks, "network", wanted["network"]
        ),
        cidr=wanted.get("cidr") or "",
        ip_version=wanted["ip_version"],
        gateway_ip=wanted.get("gateway_ip"),
        enable_dhcp=wanted["enable_dhcp"],
        allocation_pools=tuple(
            (pool["start"], pool["end"]) for pool in wanted.get("allocation_pools") or ()
        ),
        dns_nameservers=tuple(wanted.get("dns_nameservers") or ()),
        host_routes=tuple(
            (route["destination"], route["nexthop"]) for route in wanted.get("host_routes") or ()
        ),
        tags=tags_of(ctx),
        extra=extras(wanted, PASSED_ON),
    )


def written(subnet: Subnet, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this subnet."""
    spec = subnet.spec
    return {
        "name": subnet.name,
        "network": peer("OS::Neutron::Net", spec.network_id),
        "cidr": spec.cidr,
        "ip_version": spec.ip_version,
        "gateway_ip": spec.gateway_ip,
        "enable_dhcp": spec.enable_dhcp,
        "allocation_pools": [{"start": start, "end": end} for start, end in spec.allocation_pools],
        "dns_nameservers": list(spec.dns_nameservers),
        "host_routes": [
            {"destination": destination, "nexthop": nexthop}
            for destination, nexthop in spec.host_routes
        ],
        "tags": list(spec.tags),
    }


async def attributes(ctx: Context, subnet: Subnet) -> Mapping[str, Any]:
    """As Neutron's."""
    return described(subnet, ctx.ref.project_id)


def described(subnet: Subnet, project_id: str) -> dict[str, Any]:
    """A subnet as a JSON map; a port's attribute `subnets` lists such."""
    spec = subnet.spec
    return {
        "name": subnet.name,
        "network_id": spec.network_id,
        "tenant_id": project_id,
        "allocation_pools": [
            {"start": start, "end": end} for start, end in subnet.allocation_pools
        ],
        "gateway_ip": subnet.gateway_ip or None,
        "host_routes": [
            {"destination": destination, "nexthop": nexthop}
            for destination, nexthop in spec.host_routes
        ],
        "ip_version": spec.ip_version,
        "cidr": spec.cidr,
        "dns_nameservers": list(spec.dns_nameservers),
        "enable_dhcp": spec.enable_dhcp,
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=rules(
                not_offered(NOT_OFFERED), reserved, one_of("cidr", "subnetpool")
            ),
            old_first=had_once("its range on this network", "cidr", "network"),
        ),
        noun="subnet",
        collection=lambda session: session.subnets,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
