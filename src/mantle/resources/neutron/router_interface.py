"""OS::Neutron::RouterInterface: connects a router to a subnet."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import RouterInterface, RouterInterfaceSpec
from mantle.model.schema import TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id, maybe_id
from mantle.resources.schemas import old_name, one_of, schema, string
from mantle.resources.unique import first_of, had_once

SCHEMA = schema(
    "OS::Neutron::RouterInterface",
    "Connects a router to a subnet, directly or by a port made before.",
    {
        "router": string("The router, by name or id.", required=True, custom="neutron.router"),
        "router_id": old_name("router", custom="neutron.router"),
        "subnet_id": old_name("subnet", custom="neutron.subnet"),
        "subnet": string("The subnet, by name or id.", custom="neutron.subnet"),
        "port_id": old_name("port", custom="neutron.port"),
        "port": string("The port, by name or id.", custom="neutron.port"),
    },
    begins_with="subnet",
)


async def spec(ctx: Context) -> RouterInterfaceSpec:
    """What to ask for."""
    cloud, wanted = ctx.cloud, ctx.properties
    return RouterInterfaceSpec(
        router_id=await find_id(cloud, lambda session: session.routers, "router", wanted["router"]),
        subnet_id=await maybe_id(
            cloud, lambda session: session.subnets, "subnet", wanted.get("subnet")
        ),
        port_id=await maybe_id(cloud, lambda session: session.ports, "port", wanted.get("port")),
    )


def written(interface: RouterInterface, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this connection."""
    spec = interface.spec
    return {
        "router": peer("OS::Neutron::Router", spec.router_id),
        "subnet": peer("OS::Neutron::Subnet", spec.subnet_id),
        "port": peer("OS::Neutron::Port", spec.port_id),
    }


async def attributes(_: Context, __: RouterInterface) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=one_of("subnet", "port", exactly=True),
            old_first=first_of(
                had_once("the connection of this router and subnet", "router", "subnet"),
                had_once("its port", "port"),
            ),
        ),
        noun="router interface",
        collection=lambda session: session.router_interfaces,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
