"""OS::Octavia::HealthMonitor: probes the members of a pool."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import HealthMonitor, HealthMonitorSpec
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import find_id
from mantle.resources.schemas import boolean, integer, not_offered, rules, schema, string
from mantle.resources.unique import had_once

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "OPTIONS", "CONNECT", "PATCH")
BY_HTTP = ("http_method", "url_path", "expected_codes")

SCHEMA = schema(
    "OS::Octavia::HealthMonitor",
    "Probes the members of a pool.",
    {
        "admin_state_up": boolean("Whether it probes.", default=True, update=True),
        "delay": integer("Seconds between two probes.", required=True, low=0, update=True),
        "expected_codes": string("HTTP codes of a healthy member: 200, 200-204.", update=True),
        "http_method": string("The HTTP method.", allowed=METHODS, update=True),
        "max_retries": integer(
            "Probes until a member is judged.", required=True, low=1, high=10, update=True
        ),
        "pool": string("The pool, by name or id.", required=True, custom="octavia.pool"),
        "timeout": integer("Seconds a probe may take.", required=True, low=0, update=True),
        "type": string(
            "How it probes.",
            required=True,
            allowed=("PING", "TCP", "HTTP", "HTTPS", "UDP-CONNECT"),
        ),
        "url_path": string("The HTTP path.", update=True),
        "tenant_id": string("The project that owns it."),
    },
    {"pools": (Kind.LIST, "Its pool, as a list of maps.")},
    since="10.0.0",
)

NOT_OFFERED = {"tenant_id": "a monitor belongs to the stack's project. Leave tenant_id out."}


def check(properties: Mapping[str, Any]) -> list[str]:
    """Only a monitor that speaks HTTP has a method, a path and codes."""
    kind = properties.get("type")
    if not isinstance(kind, str) or kind in {"HTTP", "HTTPS"}:
        return []
    return [
        f"{name}: only for the types HTTP and HTTPS, not {kind}. Leave {name} out."
        for name in BY_HTTP
        if properties.get(name) is not None
    ]


async def spec(ctx: Context) -> HealthMonitorSpec:
    """What to ask for."""
    wanted = ctx.properties
    return HealthMonitorSpec(
        pool_id=await find_id(ctx.cloud, lambda session: session.pools, "pool", wanted["pool"]),
        type=wanted["type"],
        delay_seconds=wanted["delay"],
        timeout_seconds=wanted["timeout"],
        max_retries=wanted["max_retries"],
        http_method=wanted.get("http_method") or "GET",
        url_path=wanted.get("url_path") or "/",
        expected_codes=wanted.get("expected_codes") or "200",
        admin_state_up=wanted["admin_state_up"],
    )


def written(monitor: HealthMonitor, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this monitor."""
    spec = monitor.spec
    by_http = spec.type in {"HTTP", "HTTPS"}
    return {
        "pool": peer("OS::Octavia::Pool", spec.pool_id),
        "type": spec.type,
        "delay": spec.delay_seconds,
        "timeout": spec.timeout_seconds,
        "max_retries": spec.max_retries,
        "http_method": spec.http_method if by_http else None,
        "url_path": spec.url_path if by_http else None,
        "expected_codes": spec.expected_codes if by_http else None,
        "admin_state_up": spec.admin_state_up,
    }


async def attributes(_: Context, monitor: HealthMonitor) -> Mapping[str, Any]:
    """As Octavia's."""
    return {"pools": [{"id": monitor.spec.pool_id}]}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(
            schema=SCHEMA,
            check_properties=rules(not_offered(NOT_OFFERED), check),
            old_first=had_once("a pool's monitor", "pool"),
        ),
        noun="health monitor",
        collection=lambda session: session.health_monitors,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
