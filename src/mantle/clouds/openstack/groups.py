"""Security groups with their rules, and floating addresses.

A group and its rules are several requests. A crash in between leaves a group with some of its
rules; whoever finds it so sends the whole spec again (`resources/neutron/security_group.py`).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.kind import Kind, Raw, Search, differing, given
from mantle.clouds.openstack.networks import KEPT_SECONDS, base, token_of
from mantle.model.ids import Token

NET = Service.NETWORK

OPEN = tuple(p.SecurityRule(direction="egress", ethertype=each) for each in ("IPv4", "IPv6"))
"""What Neutron gives every new group: everything may leave."""


def _rule_body(group_id: str, rule: p.SecurityRule) -> dict[str, Any]:
    return given(
        {
            "security_group_id": group_id,
            "direction": rule.direction,
            "ethertype": rule.ethertype,
            "protocol": rule.protocol,
            "port_range_min": rule.port_min,
            "port_range_max": rule.port_max,
            "remote_ip_prefix": rule.remote_ip_prefix,
            "remote_group_id": rule.remote_group_id,
            "description": rule.description or None,
        }
    )


def _rule(raw: Raw) -> p.SecurityRule:
    return p.SecurityRule(
        direction=raw["direction"],
        ethertype=raw["ethertype"],
        protocol=raw.get("protocol"),
        port_min=raw.get("port_range_min"),
        port_max=raw.get("port_range_max"),
        remote_ip_prefix=raw.get("remote_ip_prefix"),
        remote_group_id=raw.get("remote_group_id"),
        description=raw.get("description") or "",
    )


def _group(raw: Raw) -> p.SecurityGroup:
    rules = tuple(_rule(each) for each in raw.get("security_group_rules") or ())
    return p.SecurityGroup(
        **base(raw),
        spec=p.SecurityGroupSpec(
            name=raw["name"],
            description=marks.described(raw.get("description"))[0],
            rules=tuple(sorted((each for each in rules if each not in OPEN), key=repr)),
            stateful=raw.get("stateful"),
        ),
    )


def _group_change(spec: p.SecurityGroupSpec, raw: Raw) -> dict[str, Any]:
    text = marks.description(spec.description, token) if (token := token_of(raw)) else None
    return differing(
        given({"name": spec.name, "description": text, "stateful": spec.stateful}), raw
    )


SECURITY_GROUPS = Kind(
    name="security_groups",
    noun="security group",
    service=NET,
    path="/security-groups",
    one="security_group",
    many="security_groups",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: given(
        {
            "name": spec.name,
            "description": marks.description(spec.description, token),
            "stateful": spec.stateful,
        }
    ),
    change=_group_change,
    read=_group,
    token_of=token_of,
    shared=True,
    kept_seconds=KEPT_SECONDS,
)


class SecurityGroups(RestCollection[p.SecurityGroupSpec, p.SecurityGroup]):
    """Groups whose rules are brought to the whole spec."""

    async def make(self, spec: p.SecurityGroupSpec, token: Token) -> Raw:
        return await self._ruled(await super().make(spec, token), spec)

    async def update(self, object_id: str, spec: p.SecurityGroupSpec) -> p.SecurityGroup:
        self.forget(object_id)
        self.keep(await self._ruled(await self.own(object_id), spec))
        await super().update(object_id, spec)
        self.forget(object_id)
        return await self.get(object_id)

    async def _ruled(self, raw: Raw, spec: p.SecurityGroupSpec) -> Raw:
        """Rules are compared as values; Neutron says `10.0.0.5/32` where `10.0.0.5` was said."""
        closed = any(each.direction == "egress" for each in spec.rules)
        wanted = {_plain(each): each for each in (*spec.rules, *(() if closed else OPEN))}
        rules = raw.get("security_group_rules") or ()
        present = {_plain(_rule(each)): each["id"] for each in rules}
        for key in present.keys() - wanted.keys():
            try:
                await self.caller.delete(NET, f"/security-group-rules/{present[key]}")
            except p.Missing:
                continue
        bodies = [_rule_body(raw["id"], rule) for key, rule in wanted.items() if key not in present]
        if not bodies and not present.keys() - wanted.keys():
            return raw
        if bodies:
            await self.caller.post(NET, "/security-group-rules", {"security_group_rules": bodies})
        answer = await self.caller.get(NET, f"/security-groups/{raw['id']}")
        fresh: Raw = answer["security_group"]
        return fresh


_SAME_PROTOCOL = {"1": "icmp", "6": "tcp", "17": "udp", "ipv6-icmp": "icmpv6", "58": "icmpv6"}


def _plain(rule: p.SecurityRule) -> tuple[Any, ...]:
    """A rule as Neutron compares it: the description is not part of it."""
    prefix = rule.remote_ip_prefix
    if prefix in {"0.0.0.0/0", "::/0"}:
        prefix = None
    elif prefix and "/" not in prefix:
        prefix += "/32" if ":" not in prefix else "/128"
    protocol = _SAME_PROTOCOL.get(rule.protocol or "", rule.protocol)
    return (
        rule.direction, rule.ethertype, protocol, rule.port_min, rule.port_max, prefix,
        rule.remote_group_id,
    )  # fmt: skip


# --- floating addresses ----------------------------------------------------------------------


def _floating(raw: Raw) -> p.FloatingIp:
    return p.FloatingIp(
        **{**base(raw), "name": raw["floating_ip_address"]},
        spec=p.FloatingIpSpec(
            network_id=raw["floating_network_id"],
            port_id=raw.get("port_id"),
            fixed_ip_address=raw.get("fixed_ip_address"),
            address=raw["floating_ip_address"],
        ),
        address=raw["floating_ip_address"],
        port_id=raw.get("port_id"),
        fixed_ip_address=raw.get("fixed_ip_address"),
        router_id=raw.get("router_id"),
    )


def _end(spec: p.FloatingIpSpec) -> dict[str, Any]:
    return given({"port_id": spec.port_id, "fixed_ip_address": spec.fixed_ip_address})


def _floating_change(spec: p.FloatingIpSpec, raw: Raw) -> dict[str, Any]:
    """An end that an association of its own gave it is not this object's to take away."""
    joined = any(str(each).startswith("mantle-association:") for each in raw.get("tags") or ())
    if spec.port_id is None:
        return {} if joined or not raw.get("port_id") else {"port_id": None}
    changed = differing(_end(spec), raw)
    return {**_end(spec)} if changed else {}


FLOATING_IPS = Kind(
    name="floating_ips",
    noun="floating address",
    service=NET,
    path="/floatingips",
    one="floatingip",
    many="floatingips",
    search=Search.IDS_AND_DESCRIPTIONS,
    body=lambda spec, token: given(
        {
            "floating_network_id": spec.network_id,
            "floating_ip_address": spec.address,
            "description": marks.description("", token),
            **_end(spec),
        }
    ),
    change=_floating_change,
    read=_floating,
    token_of=token_of,
)


class FloatingIps(RestCollection[p.FloatingIpSpec, p.FloatingIp]):
    """The external network may be given by name."""

    def __init__(self, kind: Kind, caller: Caller, networks: RestCollection[Any, Any]) -> None:
        super().__init__(kind, caller)
        self._networks = networks

    async def make(self, spec: p.FloatingIpSpec, token: Token) -> Raw:
        return await super().make(replace(spec, network_id=await self._id(spec)), token)

    async def _id(self, spec: p.FloatingIpSpec) -> str:
        networks = [each for each in await self._networks.raws() if each.get("router:external")]
        return _chosen(spec.network_id, networks)


def _chosen(name_or_id: str, networks: Sequence[Raw]) -> str:
    for key in ("id", "name"):
        found = [str(each["id"]) for each in networks if each[key] == name_or_id]
        if len(found) == 1:
            return found[0]
    names = ", ".join(sorted(str(each["name"]) for each in networks)) or "none"
    raise p.Refused(
        f"There is no external network {name_or_id!r}.", remedy=f"External networks: {names}."
    )
