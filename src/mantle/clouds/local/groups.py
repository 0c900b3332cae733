"""Security groups, and where the local cloud can enforce them.

On the loopback range every process reaches every address, so a rule cannot stand between two
servers. It stands at the floating addresses: a port of a server is reachable there only if an
ingress rule of one of its groups allows it. The group `default` allows everything.
"""

from dataclasses import replace
from ipaddress import IPv4Network, ip_network

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.interfaces import DEFAULT_GROUP
from mantle.clouds.local.shelf import Entry, Nothing
from mantle.clouds.local.state import Project
from mantle.clouds.ports import Clash, Port, Refused, SecurityGroup, SecurityGroupSpec
from mantle.model.ids import Token

GroupEntry = Entry[SecurityGroup, Nothing]
TCP = (None, "tcp", "6", "any")


class SecurityGroups(LocalCollection[SecurityGroupSpec, SecurityGroup, Nothing]):
    """Security groups of one project."""

    kind = "security group"

    def _make(self, spec: SecurityGroupSpec, token: Token) -> GroupEntry:
        _check(spec)
        object_id, now = self._new()
        return Entry(
            SecurityGroup(id=object_id, name=spec.name, token=token, created_at=now, spec=spec),
            Nothing(),
        )

    def _change(self, entry: GroupEntry, spec: SecurityGroupSpec) -> GroupEntry:
        _check(spec)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _check_unused(self, entry: GroupEntry) -> None:
        names = {entry.object.id, entry.object.name}
        for port in self._project.ports:
            if names & set(port.object.spec.security_groups or ()):
                raise Clash(
                    f"Security group {entry.object.name!r} is used by port {port.object.id}."
                )

    def _settle(self, object_id: str) -> None:  # noqa: ARG002 - all are looked at
        self._state.forward()


def _check(spec: SecurityGroupSpec) -> None:
    for rule in spec.rules:
        if rule.direction not in ("ingress", "egress"):
            raise Refused(f"A rule's direction is ingress or egress, not {rule.direction!r}.")
        if rule.remote_ip_prefix is not None:
            try:
                ip_network(rule.remote_ip_prefix, strict=False)
            except ValueError as problem:
                raise Refused(f"{rule.remote_ip_prefix!r} is not a network.") from problem


def allowed_ports(project: Project, port: Port) -> list[tuple[int, int, str]]:
    """What may reach a port from outside: ranges of TCP ports, and from where."""
    groups = port.spec.security_groups
    network = project.networks.get(port.spec.network_id)
    secured = port.spec.port_security_enabled
    if secured is None and network is not None:
        secured = network.object.spec.port_security_enabled
    if secured is False or groups is None or DEFAULT_GROUP in groups:
        return [(1, 65535, "0.0.0.0/0")]
    found = []
    for entry in project.security_groups:
        if entry.object.id not in groups and entry.object.name not in groups:
            continue
        for rule in entry.object.spec.rules:
            ingress = rule.direction == "ingress" and rule.remote_group_id is None
            if not ingress or (rule.protocol or None) not in TCP or rule.ethertype != "IPv4":
                continue
            source = rule.remote_ip_prefix or "0.0.0.0/0"
            low = 1 if rule.port_min is None else rule.port_min
            high = 65535 if rule.port_max is None else rule.port_max
            found.append((low, high, str(IPv4Network(source, strict=False))))
    return found
