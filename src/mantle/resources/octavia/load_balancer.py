"""OS::Octavia::LoadBalancer: an address that spreads requests over servers."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import LoadBalancer, LoadBalancerSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.extras import extras
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id, name_of
from mantle.resources.schemas import boolean, not_offered, schema, string
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Octavia::LoadBalancer",
    "An address that spreads requests over servers.",
    {
        "description": string("What it is for.", default="", update=True),
        "name": string("The name.", update=True),
        "provider": string("Which software does it."),
        "vip_address": string("The address wanted.", custom="ip_addr"),
        "vip_subnet": string(
            "The subnet of the address, by name or id.", required=True, custom="neutron.subnet"
        ),
        "admin_state_up": boolean("Whether it serves.", default=True, update=True),
        "tenant_id": string("The project that owns it.", custom="keystone.project"),
        "flavor": string("Its size.", custom="octavia.flavor"),
        "availability_zone": string("The zone.", custom="octavia.availabilityzone"),
    },
    {
        "vip_address": (Kind.STRING, "The address."),
        "vip_port_id": (Kind.STRING, "The port of the address."),
        "vip_subnet_id": (Kind.STRING, "The subnet of the address."),
        "pools": (Kind.LIST, "Its pools."),
        "flavor_id": (Kind.STRING, "Its size."),
    },
    since="10.0.0",
)

NOT_OFFERED = {
    "tenant_id": "a load balancer belongs to the stack's project. Leave tenant_id out.",
}

PASSED_ON = {
    "provider": "provider",
    "flavor": "flavor_id",
    "availability_zone": "availability_zone",
}


async def spec(ctx: Context) -> LoadBalancerSpec:
    """What to ask for."""
    wanted = ctx.properties
    return LoadBalancerSpec(
        name=name_of(ctx),
        vip_subnet_id=await find_id(
            ctx.cloud, lambda session: session.subnets, "subnet", wanted["vip_subnet"]
        ),
        vip_address=wanted.get("vip_address"),
        description=wanted.get("description") or "",
        admin_state_up=wanted["admin_state_up"],
        extra=extras(wanted, PASSED_ON),
    )


def written(balancer: LoadBalancer, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this load balancer."""
    spec = balancer.spec
    return {
        "name": balancer.name,
        "description": spec.description,
        "vip_subnet": peer("OS::Neutron::Subnet", spec.vip_subnet_id),
        "vip_address": spec.vip_address,
        "admin_state_up": spec.admin_state_up,
    }


async def attributes(ctx: Context, balancer: LoadBalancer) -> Mapping[str, Any]:
    """As Octavia's."""
    pools = await ctx.cloud.pools.list()
    return {
        "vip_address": balancer.vip_address,
        "vip_port_id": balancer.vip_port_id,
        "vip_subnet_id": balancer.spec.vip_subnet_id,
        "pools": [{"id": pool.id} for pool in pools if pool.load_balancer_id == balancer.id],
        "flavor_id": None,
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=not_offered(NOT_OFFERED),
            old_first=had_once("its address", "vip_address"),
        ),
        noun="load balancer",
        collection=lambda session: session.load_balancers,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
