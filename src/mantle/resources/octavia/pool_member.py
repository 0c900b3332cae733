"""OS::Octavia::PoolMember: one server of a pool."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Member, MemberSpec
from mantle.model.schema import TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id, maybe_id, tags_of
from mantle.resources.schemas import boolean, integer, schema, string, strings
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Octavia::PoolMember",
    "One server of a pool.",
    {
        "pool": string("The pool, by name or id.", required=True, custom="octavia.pool"),
        "address": string("The server's address.", required=True, custom="ip_addr"),
        "protocol_port": integer("The server's port.", required=True, low=1, high=65535),
        "monitor_address": string("Another address to probe.", custom="ip_addr"),
        "monitor_port": integer("Another port to probe.", low=1, high=65535),
        "weight": integer("Its share of requests.", default=1, low=0, high=256, update=True),
        "admin_state_up": boolean("Whether it gets requests.", default=True, update=True),
        "subnet": string("The address's subnet, by name or id.", custom="neutron.subnet"),
        "tags": strings("Tags.", update=True),
    },
    since="10.0.0",
)


async def spec(ctx: Context) -> MemberSpec:
    """What to ask for."""
    cloud, wanted = ctx.cloud, ctx.properties
    return MemberSpec(
        pool_id=await find_id(cloud, lambda session: session.pools, "pool", wanted["pool"]),
        address=wanted["address"],
        protocol_port=wanted["protocol_port"],
        weight=wanted["weight"],
        admin_state_up=wanted["admin_state_up"],
        monitor_address=wanted.get("monitor_address"),
        monitor_port=wanted.get("monitor_port"),
        subnet_id=await maybe_id(
            cloud, lambda session: session.subnets, "subnet", wanted.get("subnet")
        ),
        tags=tags_of(ctx),
    )


def written(member: Member, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this member."""
    spec = member.spec
    return {
        "pool": peer("OS::Octavia::Pool", spec.pool_id),
        "address": spec.address,
        "protocol_port": spec.protocol_port,
        "weight": spec.weight,
        "admin_state_up": spec.admin_state_up,
        "monitor_address": spec.monitor_address,
        "monitor_port": spec.monitor_port,
        "subnet": peer("OS::Neutron::Subnet", spec.subnet_id),
        "tags": list(spec.tags),
    }


async def attributes(_: Context, __: Member) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            old_first=had_once("its place in the pool", "pool", "address", "protocol_port"),
        ),
        noun="pool member",
        collection=lambda session: session.members,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
