"""Templates before and after, of which stories on a real OpenStack are made."""

from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    before: dict[str, Any]
    after: dict[str, Any]
    same: tuple[str, ...] = ()
    """Resources that the update changes in place."""
    others: tuple[str, ...] = ()
    """Resources that the update replaces."""
    suspends: bool = False
    outputs: dict[str, Any] = field(default_factory=dict)


def ref(name: str) -> dict[str, str]:
    return {"get_resource": name}


def changed(resources: dict[str, Any], **changes: dict[str, Any]) -> dict[str, Any]:
    """The same resources, with other properties."""
    copy = deepcopy(resources)
    for name, properties in changes.items():
        copy[name]["properties"] = {**copy[name].get("properties", {}), **properties}
    return copy


def typed(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": f"OS::{kind}", "properties": properties}


NET = {
    "net": typed("Neutron::Net", tags=["one"]),
    "subnet": typed("Neutron::Subnet", network=ref("net"), cidr="10.8.0.0/24"),
}
ROUTED = {
    **NET,
    "router": typed("Neutron::Router", external_gateway_info={"network": "public"}),
    "interface": typed("Neutron::RouterInterface", router=ref("router"), subnet=ref("subnet")),
}
PORT = {**NET, "port": typed("Neutron::Port", network=ref("net"), name="p")}
SERVER = {
    **PORT,
    "server": typed(
        "Nova::Server",
        flavor="tiny",
        image="tiny",
        networks=[{"port": ref("port")}],
        metadata={"a": "1"},
        tags=["one"],
    ),
}
BALANCED = {
    **NET,
    "lb": typed("Octavia::LoadBalancer", vip_subnet=ref("subnet")),
    "listener": typed(
        "Octavia::Listener", loadbalancer=ref("lb"), protocol="HTTP", protocol_port=80
    ),
    "pool": typed(
        "Octavia::Pool", listener=ref("listener"), protocol="HTTP", lb_algorithm="ROUND_ROBIN"
    ),
    "member": typed(
        "Octavia::PoolMember",
        pool=ref("pool"),
        address="10.8.0.77",
        protocol_port=80,
        subnet=ref("subnet"),
    ),
    "monitor": typed(
        "Octavia::HealthMonitor", pool=ref("pool"), type="TCP", delay=5, timeout=3, max_retries=2
    ),
}
