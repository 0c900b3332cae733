"""OS::Neutron::FloatingIP: an address on an external network that leads to a port."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import FloatingIp, FloatingIpSpec
from mantle.model.schema import Kind, Neighbour, Neighbourhood, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras, reserved
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import maybe_id
from mantle.resources.schemas import mapping, old_name, schema, string
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Neutron::FloatingIP",
    "An address on an external network that leads to a port.",
    {
        "floating_network_id": old_name("floating_network", custom="neutron.network"),
        "floating_network": string(
            "The external network, by name or id.", required=True, custom="neutron.network"
        ),
        "floating_subnet": string("The subnet to take it from.", custom="neutron.subnet"),
        "value_specs": mapping("Extra values.", default={}),
        "port_id": string("The port it leads to.", custom="neutron.port", update=True),
        "fixed_ip_address": string("Which of the port's addresses.", custom="ip_addr", update=True),
        "floating_ip_address": string("The address wanted.", custom="ip_addr"),
        "dns_name": string("The DNS name.", custom="rel_dns_name", update=True),
        "dns_domain": string("The DNS domain.", custom="dns_domain", update=True),
    },
    {
        "router_id": (Kind.STRING, "The router it passes."),
        "tenant_id": (Kind.STRING, "The project that owns it."),
        "floating_network_id": (Kind.STRING, "The external network."),
        "fixed_ip_address": (Kind.STRING, "The port's address it leads to."),
        "floating_ip_address": (Kind.STRING, "The address."),
        "port_id": (Kind.STRING, "The port it leads to."),
    },
)

PASSED_ON = {
    "floating_subnet": "subnet_id",
    "dns_name": "dns_name",
    "dns_domain": "dns_domain",
}


def neighbours(own: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """It waits for routers into its network, and, leading to a port, for their interfaces."""
    network = own.get("floating_network", own.get("floating_network_id"))
    leads = own.get("port_id") is not None
    routers = () if network is None else others.names_with("OS::Neutron::Router", _gateway, network)
    return (*routers, *(others.names("OS::Neutron::RouterInterface") if leads else ()))


def _gateway(router: Neighbour) -> Any:
    info = router.properties.get("external_gateway_info")
    return info.get("network") if isinstance(info, Mapping) else None


async def spec(ctx: Context) -> FloatingIpSpec:
    """What to ask for. The external network may belong to nobody: its name goes as it is."""
    wanted = ctx.properties
    return FloatingIpSpec(
        network_id=wanted["floating_network"],
        port_id=await maybe_id(
            ctx.cloud, lambda session: session.ports, "port", wanted.get("port_id")
        ),
        fixed_ip_address=wanted.get("fixed_ip_address"),
        address=wanted.get("floating_ip_address"),
        extra=extras(wanted, PASSED_ON),
    )


def written(floating: FloatingIp, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this address; where it leads, an association may say."""
    spec = floating.spec
    own = not joined(floating, peer)
    return {
        "floating_network": peer("OS::Neutron::Net", spec.network_id),
        "port_id": peer("OS::Neutron::Port", spec.port_id) if own else None,
        "fixed_ip_address": spec.fixed_ip_address if own else None,
        "floating_ip_address": spec.address,
    }


def joined(floating: FloatingIp, peer: Peers) -> frozenset[str]:
    """What an association of this address asks for instead of it."""
    if peer.find("OS::Neutron::FloatingIPAssociation", floating.id) is None:
        return frozenset()
    return frozenset({"port_id", "fixed_ip_address"})


async def attributes(ctx: Context, floating: FloatingIp) -> Mapping[str, Any]:
    """As Neutron's."""
    return {
        "router_id": floating.router_id,
        "tenant_id": ctx.ref.project_id,
        "floating_network_id": floating.spec.network_id,
        "fixed_ip_address": floating.fixed_ip_address,
        "floating_ip_address": floating.address,
        "port_id": floating.port_id,
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=reserved,
            neighbours=neighbours,
            old_first=had_once("its address", "floating_ip_address"),
        ),
        noun="floating address",
        collection=lambda session: session.floating_ips,
        spec=spec,
        attributes=attributes,
        written=written,
        elsewhere=joined,
    )
)
