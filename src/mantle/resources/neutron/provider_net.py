"""OS::Neutron::ProviderNet: a network of which the operator says how it is built."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import Network, NetworkSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras
from mantle.resources.kit import Context
from mantle.resources.names import name_of, tags_of
from mantle.resources.neutron import net
from mantle.resources.neutron.trunk import NETWORK_TYPES
from mantle.resources.schemas import boolean, listing, not_offered, schema, string, strings

SCHEMA = schema(
    "OS::Neutron::ProviderNet",
    "A network of which is said how it is built.",
    {
        "name": string("The name.", update=True),
        "network_type": string(
            "How it is built.", required=True, allowed=NETWORK_TYPES, update=True
        ),
        "physical_network": string("What it is built on.", update=True),
        "segmentation_id": string("Its number there.", update=True),
        "admin_state_up": boolean("Whether it carries traffic.", default=True, update=True),
        "shared": boolean("Whether all projects may use it.", default=True, update=True),
        "port_security_enabled": boolean("The default for its ports.", update=True),
        "router_external": boolean("Whether it leads outside.", default=False, update=True),
        "tags": strings("Tags.", update=True),
        "dns_domain": string("The DNS domain.", custom="dns_domain", update=True),
        "availability_zone_hints": listing("Zones to prefer.", update=True),
        "tenant_id": string("The project that owns it."),
    },
    {
        "segments": (Kind.LIST, "Its segments."),
        "status": (Kind.STRING, "The state."),
        "subnets": (Kind.LIST, "Ids of its subnets."),
    },
    since="2014.1",
)

NOT_OFFERED = {"tenant_id": "a network always belongs to the stack's project. Leave it out."}
PASSED_ON = {
    "network_type": "provider:network_type",
    "physical_network": "provider:physical_network",
    "router_external": "router:external",
    "availability_zone_hints": "availability_zone_hints",
}
NUMBERED = ("vlan", "vxlan", "gre", "geneve")


def check(properties: Mapping[str, Any]) -> list[str]:
    """A number belongs to networks that are told apart by one."""
    number, kind = properties.get("segmentation_id"), properties.get("network_type")
    problems = not_offered(NOT_OFFERED)(properties)
    if isinstance(number, str) and not number.isdecimal():
        problems.append(f"segmentation_id: {number!r} is no number.")
    if number is not None and kind in {"local", "flat"}:
        problems.append(f"segmentation_id: a {kind} network has none. Leave it out.")
    return problems


def replace_when(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """Neutron builds a network once."""
    return next(
        (
            f"{name} changes"
            for name in ("network_type", "physical_network", "segmentation_id")
            if before.get(name) != after.get(name)
        ),
        None,
    )


async def spec(ctx: Context) -> NetworkSpec:
    """What to ask for."""
    wanted = ctx.properties
    extra = extras(wanted, PASSED_ON)
    if wanted.get("segmentation_id"):
        extra["provider:segmentation_id"] = int(wanted["segmentation_id"])
    return NetworkSpec(
        name=name_of(ctx),
        admin_state_up=wanted["admin_state_up"],
        shared=wanted["shared"],
        port_security_enabled=wanted.get("port_security_enabled"),
        dns_domain=wanted.get("dns_domain") or "",
        tags=tags_of(ctx),
        extra=extra,
    )


async def attributes(ctx: Context, network: Network) -> Mapping[str, Any]:
    """As Neutron's."""
    told = net.described(network, ctx.ref.project_id)
    return {name: told[name] for name in ("segments", "status", "subnets")}


TYPE = replace(
    cloud_object(
        Blueprint(
            facts=TypeFacts(
                schema=SCHEMA, check_properties=check, replace_when=replace_when, admin_only=True
            ),
            noun="network",
            collection=lambda session: session.networks,
            spec=spec,
            attributes=attributes,
        )
    ),
    twin_of="OS::Neutron::Net",
)
