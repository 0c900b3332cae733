"""OS::Neutron::Router: joins networks, and leads to an external one."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import FixedIp, Router, RouterSpec
from mantle.model.schema import Kind, Neighbourhood, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras, reserved
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import maybe_id, name_of, tags_of
from mantle.resources.neutron.port import subnet_id, subnets_of_network
from mantle.resources.schemas import (
    boolean,
    listing,
    mapping,
    maps,
    not_offered,
    rules,
    schema,
    string,
    strings,
)

SCHEMA = schema(
    "OS::Neutron::Router",
    "Joins networks, and leads to an external one.",
    {
        "name": string("The name.", update=True),
        "external_gateway_info": mapping(
            "The way out.",
            {
                "network": string(
                    "The external network, by name or id.", required=True, update=True
                ),
                "enable_snat": boolean("Whether addresses are translated.", update=True),
                "external_fixed_ips": maps(
                    "The router's own addresses out there.",
                    {
                        "ip_address": string("The address.", custom="ip_addr"),
                        "subnet": string("The subnet.", custom="neutron.subnet"),
                    },
                    update=True,
                ),
            },
            update=True,
        ),
        "value_specs": mapping("Extra values.", default={}, update=True),
        "admin_state_up": boolean("Whether it carries traffic.", default=True, update=True),
        "l3_agent_id": string("The agent that serves it.", hidden=True, update=True),
        "l3_agent_ids": strings("The agents that serve it.", update=True),
        "distributed": boolean("Whether it is distributed."),
        "ha": boolean("Whether it is highly available."),
        "availability_zone_hints": listing("Zones to prefer.", update=True),
        "tags": strings("Tags.", update=True),
        "tenant_id": string("The project that owns it."),
    },
    {
        "status": (Kind.STRING, "The state."),
        "external_gateway_info": (Kind.MAP, "The way out."),
        "name": (Kind.STRING, "The name."),
        "admin_state_up": (Kind.STRING, "Whether it carries traffic."),
        "tenant_id": (Kind.STRING, "The project that owns it."),
    },
)

NOT_OFFERED = {
    "l3_agent_id": "agents cannot be chosen. Leave l3_agent_id out.",
    "l3_agent_ids": "agents cannot be chosen. Leave l3_agent_ids out.",
    "tenant_id": "a router always belongs to the stack's project. Leave tenant_id out.",
}

PASSED_ON = {
    "distributed": "distributed",
    "ha": "ha",
    "availability_zone_hints": "availability_zone_hints",
}


def neighbours(own: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """A router waits for the subnets of its external network."""
    gateway = own.get("external_gateway_info")
    if not isinstance(gateway, Mapping):
        return ()
    return subnets_of_network(gateway.get("network"), others)


async def spec(ctx: Context) -> RouterSpec:
    """What to ask for."""
    wanted = ctx.properties
    gateway = wanted.get("external_gateway_info") or {}
    return RouterSpec(
        name=name_of(ctx),
        admin_state_up=wanted["admin_state_up"],
        external_network_id=await maybe_id(
            ctx.cloud, lambda session: session.networks, "network", gateway.get("network")
        ),
        enable_snat=gateway.get("enable_snat"),
        external_fixed_ips=tuple(
            [
                FixedIp(
                    subnet_id=await subnet_id(ctx.cloud, each.get("subnet")),
                    ip_address=each.get("ip_address"),
                )
                for each in gateway.get("external_fixed_ips") or ()
            ]
        ),
        tags=tags_of(ctx),
        extra=extras(wanted, PASSED_ON),
    )


def written(router: Router, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this router."""
    spec = router.spec
    gateway = None
    if spec.external_network_id is not None:
        gateway = {
            "network": peer("OS::Neutron::Net", spec.external_network_id),
            "enable_snat": spec.enable_snat,
        }
    return {
        "name": router.name,
        "external_gateway_info": gateway,
        "admin_state_up": spec.admin_state_up,
        "tags": list(spec.tags),
    }


async def attributes(ctx: Context, router: Router) -> Mapping[str, Any]:
    """As Neutron's."""
    gateway = None
    if router.spec.external_network_id is not None:
        gateway = {
            "network_id": router.spec.external_network_id,
            "enable_snat": router.spec.enable_snat is not False,
            "external_fixed_ips": [
                {"subnet_id": each.subnet_id, "ip_address": each.ip_address}
                for each in router.external_fixed_ips
            ],
        }
    return {
        "status": router.status.value,
        "external_gateway_info": gateway,
        "name": router.name,
        "admin_state_up": router.spec.admin_state_up,
        "tenant_id": ctx.ref.project_id,
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=rules(not_offered(NOT_OFFERED), reserved),
            neighbours=neighbours,
        ),
        noun="router",
        collection=lambda session: session.routers,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
