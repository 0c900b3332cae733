"""OS::Octavia::Listener: a port that a load balancer listens on."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Listener, ListenerSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id, maybe_id, name_of
from mantle.resources.schemas import (
    boolean,
    integer,
    listing,
    not_offered,
    rules,
    schema,
    string,
    strings,
)
from mantle.resources.unique import had_once

PROTOCOLS = ("TCP", "HTTP", "HTTPS", "TERMINATED_HTTPS", "PROXY", "UDP")

SCHEMA = schema(
    "OS::Octavia::Listener",
    "A port that a load balancer listens on.",
    {
        "protocol_port": integer("The port.", required=True, low=1, high=65535),
        "protocol": string("The protocol.", required=True, allowed=PROTOCOLS),
        "loadbalancer": string(
            "The load balancer, by name or id.", required=True, custom="octavia.loadbalancer"
        ),
        "default_pool": string(
            "Where requests go, by name or id.", custom="octavia.pool", update=True
        ),
        "name": string("The name.", update=True),
        "admin_state_up": boolean("Whether it serves.", default=True, update=True),
        "description": string("What it is for.", default="", update=True),
        "default_tls_container_ref": string("The certificate.", update=True),
        "sni_container_refs": listing("Certificates for other names.", update=True),
        "connection_limit": integer(
            "Connections at once; -1 for any number.", default=-1, low=-1, update=True
        ),
        "tenant_id": string("The project that owns it."),
        "allowed_cidrs": strings("Who may connect.", each="net_cidr", update=True),
    },
    {
        "loadbalancers": (Kind.LIST, "Its load balancer, as a list of maps."),
        "default_pool_id": (Kind.STRING, "Where requests go."),
    },
    since="10.0.0",
)

NOT_OFFERED = {
    "default_tls_container_ref": "there is no store of certificates. Use HTTPS, passed through.",
    "sni_container_refs": "there is no store of certificates. Use HTTPS, passed through.",
    "tenant_id": "a listener belongs to the stack's project. Leave tenant_id out.",
}


def check_protocol(properties: Mapping[str, Any]) -> list[str]:
    """PROXY is a protocol towards members, which no load balancer here receives."""
    if properties.get("protocol") == "PROXY":
        return ["protocol: PROXY is not offered for listeners. Use TCP."]
    return []


async def spec(ctx: Context) -> ListenerSpec:
    """What to ask for."""
    cloud, wanted = ctx.cloud, ctx.properties
    return ListenerSpec(
        name=name_of(ctx),
        load_balancer_id=await find_id(
            cloud, lambda session: session.load_balancers, "load balancer", wanted["loadbalancer"]
        ),
        protocol=wanted["protocol"],
        protocol_port=wanted["protocol_port"],
        default_pool_id=await maybe_id(
            cloud, lambda session: session.pools, "pool", wanted.get("default_pool")
        ),
        connection_limit=wanted["connection_limit"],
        admin_state_up=wanted["admin_state_up"],
        description=wanted.get("description") or "",
        allowed_cidrs=tuple(wanted.get("allowed_cidrs") or ()),
    )


def written(listener: Listener, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this listener."""
    spec = listener.spec
    pool = None if claimed(listener, peer) else spec.default_pool_id
    return {
        "name": listener.name,
        "loadbalancer": peer("OS::Octavia::LoadBalancer", spec.load_balancer_id),
        "protocol": spec.protocol,
        "protocol_port": spec.protocol_port,
        "default_pool": peer("OS::Octavia::Pool", pool),
        "connection_limit": spec.connection_limit,
        "admin_state_up": spec.admin_state_up,
        "description": spec.description,
        "allowed_cidrs": list(spec.allowed_cidrs),
    }


def claimed(listener: Listener, peer: Peers) -> frozenset[str]:
    """A pool that names the listener is its default pool already: both ways would be a circle."""
    pool = peer.find("OS::Octavia::Pool", listener.spec.default_pool_id)
    named = pool is not None and pool.spec.listener_id == listener.id
    return frozenset({"default_pool_id"}) if named else frozenset()


async def attributes(_: Context, listener: Listener) -> Mapping[str, Any]:
    """As Octavia's."""
    return {
        "loadbalancers": [{"id": listener.spec.load_balancer_id}],
        "default_pool_id": listener.spec.default_pool_id,
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=rules(not_offered(NOT_OFFERED), check_protocol),
            old_first=had_once("its port of the load balancer", "loadbalancer", "protocol_port"),
        ),
        noun="listener",
        collection=lambda session: session.listeners,
        spec=spec,
        attributes=attributes,
        written=written,
        elsewhere=claimed,
    )
)
