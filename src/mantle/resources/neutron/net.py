"""OS::Neutron::Net: a network."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Network, NetworkSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras, reserved
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import name_of, tags_of
from mantle.resources.schemas import (
    boolean,
    listing,
    mapping,
    not_offered,
    rules,
    schema,
    string,
    strings,
)

SCHEMA = schema(
    "OS::Neutron::Net",
    "A network.",
    {
        "name": string("The name.", update=True),
        "value_specs": mapping("Extra values; mtu is one.", default={}, update=True),
        "admin_state_up": boolean("Whether it carries traffic.", default=True, update=True),
        "tenant_id": string("The project that owns it."),
        "shared": boolean("Whether all projects may use it.", default=False, update=True),
        "dhcp_agent_ids": listing("The DHCP agents that serve it.", update=True),
        "port_security_enabled": boolean("The default for its ports.", update=True),
        "qos_policy": string("A QoS policy.", custom="neutron.qos_policy", update=True),
        "dns_domain": string("The DNS domain.", custom="dns_domain", update=True),
        "availability_zone_hints": listing("Zones to prefer."),
        "tags": strings("Tags.", update=True),
    },
    {
        "status": (Kind.STRING, "The state."),
        "name": (Kind.STRING, "The name."),
        "subnets": (Kind.LIST, "Ids of its subnets."),
        "admin_state_up": (Kind.STRING, "Whether it carries traffic."),
        "tenant_id": (Kind.STRING, "The project that owns it."),
        "port_security_enabled": (Kind.BOOLEAN, "The default for its ports."),
        "mtu": (Kind.INTEGER, "The largest packet in bytes."),
        "qos_policy_id": (Kind.STRING, "The QoS policy."),
        "l2_adjacency": (Kind.BOOLEAN, "Whether its ports share one layer 2."),
        "segments": (Kind.LIST, "Its segments."),
    },
)

NOT_OFFERED = {
    "tenant_id": "a network always belongs to the stack's project. Leave tenant_id out.",
    "dhcp_agent_ids": "DHCP agents cannot be chosen. Leave dhcp_agent_ids out.",
}

PASSED_ON = {
    "qos_policy": "qos_policy_id",
    "availability_zone_hints": "availability_zone_hints",
}


async def spec(ctx: Context) -> NetworkSpec:
    """What to ask for."""
    wanted = ctx.properties
    mtu = (wanted.get("value_specs") or {}).get("mtu")
    return NetworkSpec(
        name=name_of(ctx),
        admin_state_up=wanted["admin_state_up"],
        shared=wanted["shared"],
        port_security_enabled=wanted.get("port_security_enabled"),
        mtu=None if mtu is None else int(mtu),
        dns_domain=wanted.get("dns_domain") or "",
        tags=tags_of(ctx),
        extra=extras(wanted, PASSED_ON, taken=frozenset({"mtu"})),
    )


def written(network: Network, _: Peers) -> Mapping[str, Any]:
    """The properties that ask for this network."""
    spec = network.spec
    return {
        "name": network.name,
        "admin_state_up": spec.admin_state_up,
        "shared": spec.shared,
        "port_security_enabled": spec.port_security_enabled,
        "value_specs": {} if spec.mtu is None else {"mtu": spec.mtu},
        "dns_domain": spec.dns_domain or None,
        "tags": list(spec.tags),
    }


async def attributes(ctx: Context, network: Network) -> Mapping[str, Any]:
    """As Neutron's; what no cloud here has is null."""
    return described(network, ctx.ref.project_id)


def described(network: Network, project_id: str) -> dict[str, Any]:
    """A network as a JSON map; a port's attribute `network` is one too."""
    return {
        "status": network.status.value,
        "name": network.name,
        "subnets": list(network.subnet_ids),
        "admin_state_up": network.spec.admin_state_up,
        "tenant_id": project_id,
        "port_security_enabled": network.spec.port_security_enabled,
        "mtu": network.mtu,
        "qos_policy_id": network.more.get("qos_policy_id"),
        "l2_adjacency": network.more.get("l2_adjacency", True),
        "segments": network.more.get("segments"),
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(schema=SCHEMA, check_properties=rules(not_offered(NOT_OFFERED), reserved)),
        noun="network",
        collection=lambda session: session.networks,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
