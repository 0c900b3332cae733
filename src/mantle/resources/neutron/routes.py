"""What is set at a router that another resource made: OS::Neutron::RouterGateway and routes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.schema import Neighbourhood, SupportStatus
from mantle.resources.kit import Context
from mantle.resources.neutron.port import subnets_of_network
from mantle.resources.plain import SettingSheet, named, setting
from mantle.resources.schemas import maps, old_name, schema, string

_router = named("routers")


async def _by_id(ctx: Context) -> str:
    return str(await _router(ctx, ctx.properties["router_id"]))


async def _by_name(ctx: Context) -> str:
    return str(await _router(ctx, ctx.properties["router"]))


def _after_interfaces(_: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """A next hop must be on a network that the router is on."""
    return tuple(others.names("OS::Neutron::RouterInterface"))


def _after_subnets(own: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """A gateway needs an address of the external network."""
    return subnets_of_network(own.get("network", own.get("network_id")), others)


async def _network(ctx: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    network = wanted.get("network") or wanted.get("network_id")
    return {"network_id": await named("networks")(ctx, network)}


GATEWAY = SettingSheet(
    schema=replace(
        schema(
            "OS::Neutron::RouterGateway",
            "A router's way out; today the router says it itself.",
            {
                "router_id": string(
                    "The router, by name or id.", required=True, custom="neutron.router"
                ),
                "network_id": old_name("network", custom="neutron.network"),
                "network": string("The external network, by name or id.", custom="neutron.network"),
            },
            begins_with="network",
        ),
        support=SupportStatus.HIDDEN,
        since="5.0.0",
    ),
    setting="router_gateways",
    target=_by_id,
    values=_network,
    physical_id=lambda target, values: f"{target}:{values['network_id']}",
    check=lambda given: (
        []
        if given.get("network") is not None
        else ["network: it must be given. Name the external network."]
    ),
    neighbours=_after_subnets,
)


async def _one_route(_: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    return {f"{wanted['destination']} {wanted['nexthop']}": True}


ROUTE = SettingSheet(
    schema=replace(
        schema(
            "OS::Neutron::ExtraRoute",
            "One static route of a router.",
            {
                "router_id": string(
                    "The router, by name or id.", required=True, custom="neutron.router"
                ),
                "destination": string("Where to.", required=True),
                "nexthop": string("The address to go through.", required=True),
            },
        ),
        support=SupportStatus.UNSUPPORTED,
    ),
    setting="extra_routes",
    target=_by_id,
    values=_one_route,
    physical_id=lambda target, values: ":".join((target, *next(iter(values)).split())),
    neighbours=_after_interfaces,
)


async def _routes(_: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    return {f"{each['destination']} {each['nexthop']}": True for each in wanted["routes"] or ()}


ROUTES = SettingSheet(
    schema=schema(
        "OS::Neutron::ExtraRouteSet",
        "Static routes of a router.",
        {
            "router": string("The router, by name or id.", required=True, custom="neutron.router"),
            "routes": maps(
                "The routes.",
                {
                    "destination": string("Where to.", required=True, custom="net_cidr"),
                    "nexthop": string(
                        "The address to go through.", required=True, custom="ip_addr"
                    ),
                },
                default=[],
                update=True,
            ),
        },
        since="14.0.0",
    ),
    setting="extra_routes",
    target=_by_name,
    values=_routes,
    neighbours=_after_interfaces,
)

TYPES = tuple(setting(each) for each in (GATEWAY, ROUTE, ROUTES))
