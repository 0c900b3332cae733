"""OS::Octavia::Pool: the servers that share the requests of a listener."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import Pool, PoolSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import maybe_id, name_of
from mantle.resources.octavia.listener import PROTOCOLS
from mantle.resources.schemas import (
    boolean,
    mapping,
    not_offered,
    one_of,
    rules,
    schema,
    string,
)
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Octavia::Pool",
    "The servers that share the requests of a listener.",
    {
        "admin_state_up": boolean("Whether it serves.", default=True, update=True),
        "description": string("What it is for.", default="", update=True),
        "session_persistence": mapping(
            "How a client stays with one server.",
            {
                "type": string(
                    "By what a client is known.",
                    required=True,
                    allowed=("SOURCE_IP", "HTTP_COOKIE", "APP_COOKIE"),
                ),
                "cookie_name": string("The cookie, for APP_COOKIE."),
            },
            update=True,
        ),
        "name": string("The name.", update=True),
        "lb_algorithm": string(
            "How a server is chosen.",
            required=True,
            allowed=("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"),
            update=True,
        ),
        "listener": string("The listener, by name or id.", custom="octavia.listener"),
        "loadbalancer": string("The load balancer, by name or id.", custom="octavia.loadbalancer"),
        "protocol": string("The protocol to the servers.", required=True, allowed=PROTOCOLS),
        "tls_enabled": boolean("Whether it is encrypted to them.", default=False, update=True),
    },
    {
        "healthmonitor_id": (Kind.STRING, "Its health monitor."),
        "listeners": (Kind.STRING, "Its listeners, as a list of maps."),
        "members": (Kind.LIST, "Ids of its members."),
    },
    since="10.0.0",
    begins_with="listener",
)

NOT_OFFERED = {"tls_enabled": "servers are reached unencrypted. Leave tls_enabled out."}


def check(properties: Mapping[str, Any]) -> list[str]:
    """Persistence by a cookie names it; one algorithm is not offered."""
    problems = []
    if properties.get("lb_algorithm") == "SOURCE_IP_PORT":
        problems.append("lb_algorithm: SOURCE_IP_PORT is not offered. Use SOURCE_IP.")
    persistence = properties.get("session_persistence")
    if not isinstance(persistence, Mapping):
        return problems
    by_cookie = persistence.get("type") == "APP_COOKIE"
    if by_cookie and not persistence.get("cookie_name"):
        problems.append("session_persistence.cookie_name: APP_COOKIE needs the cookie's name.")
    if not by_cookie and persistence.get("cookie_name"):
        problems.append(
            "session_persistence.cookie_name: only APP_COOKIE has one. Leave cookie_name out."
        )
    return problems


async def spec(ctx: Context) -> PoolSpec:
    """What to ask for."""
    cloud, wanted = ctx.cloud, ctx.properties
    persistence = wanted.get("session_persistence")
    return PoolSpec(
        name=name_of(ctx),
        protocol=wanted["protocol"],
        algorithm=wanted["lb_algorithm"],
        listener_id=await maybe_id(
            cloud, lambda session: session.listeners, "listener", wanted.get("listener")
        ),
        load_balancer_id=await maybe_id(
            cloud,
            lambda session: session.load_balancers,
            "load balancer",
            wanted.get("loadbalancer"),
        ),
        description=wanted.get("description") or "",
        admin_state_up=wanted["admin_state_up"],
        session_persistence=(
            {key: value for key, value in persistence.items() if value} if persistence else None
        ),
    )


def written(pool: Pool, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this pool."""
    spec = pool.spec
    return {
        "name": pool.name,
        "protocol": spec.protocol,
        "lb_algorithm": spec.algorithm,
        "listener": peer("OS::Octavia::Listener", spec.listener_id),
        "loadbalancer": peer("OS::Octavia::LoadBalancer", spec.load_balancer_id),
        "description": spec.description,
        "admin_state_up": spec.admin_state_up,
        "session_persistence": dict(spec.session_persistence or {}),
    }


async def attributes(_: Context, pool: Pool) -> Mapping[str, Any]:
    """As Octavia's."""
    return {
        "healthmonitor_id": pool.health_monitor_id or None,
        "listeners": [{"id": listener_id} for listener_id in pool.listener_ids],
        "members": [{"id": member_id} for member_id in pool.member_ids],
    }


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=rules(
                not_offered(NOT_OFFERED), one_of("listener", "loadbalancer"), check
            ),
            old_first=had_once("a listener's pool", "listener"),
        ),
        noun="pool",
        collection=lambda session: session.pools,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
