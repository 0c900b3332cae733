"""What types and properties do: old names, open doors, replacements.

The tables are small on purpose: what the command can know without a server. Source of the names:
Heat's resource reference.
"""

from collections.abc import Iterator
from typing import Any

from mantle.template.constraints import asks_a_service
from mantle.template.lint.rule import Found
from mantle.template.lint.view import View, head

OLD_TYPES = {
    "OS::Neutron::LoadBalancer": "OS::Octavia::LoadBalancer",
    "OS::Neutron::Pool": "OS::Octavia::Pool",
    "OS::Neutron::PoolMember": "OS::Octavia::PoolMember",
    "OS::Neutron::HealthMonitor": "OS::Octavia::HealthMonitor",
    "OS::Neutron::LBaaS::LoadBalancer": "OS::Octavia::LoadBalancer",
    "OS::Neutron::LBaaS::Listener": "OS::Octavia::Listener",
    "OS::Neutron::LBaaS::Pool": "OS::Octavia::Pool",
    "OS::Neutron::LBaaS::PoolMember": "OS::Octavia::PoolMember",
    "OS::Neutron::LBaaS::HealthMonitor": "OS::Octavia::HealthMonitor",
    "OS::Neutron::LBaaS::L7Policy": "OS::Octavia::L7Policy",
    "OS::Neutron::LBaaS::L7Rule": "OS::Octavia::L7Rule",
    "OS::Nova::FloatingIP": "OS::Neutron::FloatingIP",
    "OS::Nova::FloatingIPAssociation": "OS::Neutron::FloatingIPAssociation",
    "OS::Heat::CWLiteAlarm": "OS::Aodh::GnocchiAggregationByResourcesAlarm",
    "OS::Ceilometer::Alarm": "OS::Aodh::Alarm",
    "OS::Heat::HARestarter": "OS::Heat::SoftwareDeployment",
    "OS::Glance::Image": "OS::Glance::WebImage",
}
"""Deprecated or hidden type to its successor."""

OLD_PROPERTIES = {
    "OS::Neutron::Port": {"network_id": "network"},
    "OS::Neutron::Subnet": {"network_id": "network"},
    "OS::Neutron::RouterInterface": {
        "router_id": "router",
        "subnet_id": "subnet",
        "port_id": "port",
    },
    "OS::Neutron::RouterGateway": {"network_id": "network", "router_id": "router"},
}
"""Type to deprecated property and the one that means the same."""

REPLACES = {
    "OS::Nova::Server": ("availability_zone", "key_name", "user_data", "config_drive"),
    "OS::Cinder::Volume": ("availability_zone", "image", "snapshot_id"),
    "OS::Neutron::Net": ("segments",),
    "OS::Neutron::Subnet": ("cidr", "network"),
    "OS::Neutron::Port": ("network", "mac_address"),
    "OS::Trove::Instance": ("datastore_type", "datastore_version"),
}
"""Type to properties whose change makes a new object, with the loss of the old one's data."""

_ANYWHERE = {"0.0.0.0/0", "::/0", None}


def old_type(view: View) -> Iterator[Found]:
    """Deprecated types."""
    for name, body in view.resources.items():
        given = body.get("type")
        successor = OLD_TYPES.get(given) if isinstance(given, str) else None
        if successor is not None:
            yield Found(("resources", name, "type"), f"{given} is deprecated.", f"Use {successor}.")


def old_property(view: View) -> Iterator[Found]:
    """Deprecated properties."""
    for name, body in view.resources.items():
        kind, given = body.get("type"), body.get("properties")
        old = OLD_PROPERTIES.get(kind, {}) if isinstance(kind, str) else {}
        for key in given if isinstance(given, dict) else ():
            if key in old:
                yield Found(
                    ("resources", name, "properties", key),
                    f"Property {key!r} of {kind} is deprecated.",
                    f"Write {old[key]!r}; it means the same.",
                )


def open_ssh(view: View) -> Iterator[Found]:
    """Administration ports open to the world."""
    for name, body in view.resources.items():
        properties = body.get("properties")
        if not isinstance(properties, dict):
            continue
        if body.get("type") == "OS::Neutron::SecurityGroupRule":
            rules: Any = [properties]
            paths = [("resources", name, "properties")]
        elif body.get("type") == "OS::Neutron::SecurityGroup":
            rules = properties.get("rules")
            rules = rules if isinstance(rules, list) else []
            paths = [("resources", name, "properties", "rules", i) for i in range(len(rules))]  # type: ignore[misc]
        else:
            continue
        for rule, path in zip(rules, paths, strict=True):
            port = _open_port(rule) if isinstance(rule, dict) else None
            if port is not None:
                yield Found(path, f"Port {port} is open to the whole world.")


def _open_port(rule: dict[str, Any]) -> int | None:
    if rule.get("direction", "ingress") != "ingress" or rule.get("remote_group"):
        return None
    source = rule.get("remote_ip_prefix")
    if rule.get("remote_group_id") or isinstance(source, dict) or source not in _ANYWHERE:
        return None
    if str(rule.get("protocol") or "tcp").lower() not in {"tcp", "6"}:
        return None
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    if low is None and high is None:
        return 22 if source is not None else None
    try:
        first, last = int(low or high or 0), int(high or low or 0)
    except (TypeError, ValueError):
        return None
    return next((port for port in (22, 3389) if first <= port <= last), None)


def asked_of_the_cloud(view: View) -> Iterator[Found]:
    """Parameters whose values only a cloud can check."""
    for name, body in view.parameters.items():
        entries = body.get("constraints")
        for position, entry in enumerate(entries if isinstance(entries, list) else ()):
            wanted = entry.get("custom_constraint") if isinstance(entry, dict) else None
            if isinstance(wanted, str) and asks_a_service(wanted):
                yield Found(
                    ("parameters", name, "constraints", position),
                    f"Whether a value of {name!r} meets {wanted} was not checked here.",
                )


def replacement(view: View) -> Iterator[Found]:
    """Parameters that replace what they configure."""
    for name, body in view.resources.items():
        kind, given = body.get("type"), body.get("properties")
        risky = REPLACES.get(kind, ()) if isinstance(kind, str) else ()
        if not isinstance(given, dict):
            continue
        for key in risky:
            value = given.get(key)
            if not isinstance(value, dict) or list(value) != ["get_param"]:
                continue
            parameter = head(value["get_param"])
            declared = view.parameters.get(parameter) if parameter is not None else None
            if declared is not None and str(declared.get("immutable", "")).lower() != "true":
                yield Found(
                    ("resources", name, "properties", key),
                    f"A new value of parameter {parameter!r} replaces {name!r} ({kind}).",
                )
