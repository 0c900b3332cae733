"""OS::Neutron::SecurityGroup: what traffic may reach and leave a port.

Note on rules that name their own group. Its id is known only after it is made, so such a group is
made without those rules first, and brought to its whole spec in a second call.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import structs

from mantle.clouds.ports import SecurityGroup, SecurityGroupSpec, SecurityRule
from mantle.model.schema import TypeFacts
from mantle.resources import cloud_object as generic
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.names import maybe_id, name_of
from mantle.resources.schemas import boolean, integer, maps, schema, string

PROTOCOLS = (
    *("ah", "dccp", "egp", "esp", "gre", "icmp", "icmpv6", "igmp", "ipip", "ipv6-encap"),
    *("ipv6-frag", "ipv6-icmp", "ipv6-nonxt", "ipv6-opts", "ipv6-route", "ospf", "pgm"),
    *("rsvp", "sctp", "tcp", "udp", "udplite", "vrrp"),
    *(str(number) for number in range(256)),
)

SCHEMA = schema(
    "OS::Neutron::SecurityGroup",
    "What traffic may reach and leave a port.",
    {
        "name": string("The name.", update=True),
        "description": string("What it is for.", update=True),
        "rules": maps(
            "Allowed traffic; without an egress rule all may leave.",
            {
                "direction": string(
                    "Into the port or out of it.", default="ingress", allowed=("ingress", "egress")
                ),
                "ethertype": string(
                    "The address family.", default="IPv4", allowed=("IPv4", "IPv6")
                ),
                "port_range_min": integer("The first port.", low=0, high=65535),
                "port_range_max": integer("The last port.", low=0, high=65535),
                "protocol": string("The protocol, by name or number.", allowed=PROTOCOLS),
                "remote_mode": string(
                    "How the other side is named.",
                    default="remote_ip_prefix",
                    allowed=("remote_ip_prefix", "remote_group_id"),
                ),
                "remote_group_id": string(
                    "The other side's group; this one if left out.",
                    custom="neutron.security_group",
                ),
                "remote_ip_prefix": string("The other side's addresses.", custom="net_cidr"),
                "description": string("What it is for."),
            },
            default=[],
            update=True,
        ),
        "stateful": boolean("Whether answers may pass back.", update=True),
    },
    since="2014.1",
)


def check(properties: Mapping[str, Any]) -> list[str]:
    """Rules are whole and do not contradict themselves."""
    entries = properties.get("rules")
    problems = []
    for at, rule in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(rule, Mapping):
            continue
        first, last = rule.get("port_range_min"), rule.get("port_range_max")
        if isinstance(first, int) and isinstance(last, int) and first > last:
            problems.append(
                f"rules[{at}]: port_range_min {first} is above port_range_max {last}. Swap them."
            )
        by_group = rule.get("remote_mode") == "remote_group_id"
        if by_group and rule.get("remote_ip_prefix"):
            problems.append(
                f"rules[{at}].remote_ip_prefix: remote_mode is remote_group_id. Drop one of them."
            )
        if not by_group and rule.get("remote_group_id"):
            problems.append(
                f"rules[{at}].remote_group_id: needs remote_mode: remote_group_id. Add that."
            )
    if properties.get("name") == "default":
        problems.append('name: "default" is every project\'s own group. Choose another name.')
    return problems


def names_itself(rule: Mapping[str, Any]) -> bool:
    """Whether the rule's other side is the group it belongs to."""
    return rule.get("remote_mode") == "remote_group_id" and not rule.get("remote_group_id")


async def _rule(ctx: Context, rule: Mapping[str, Any]) -> SecurityRule:
    group = await maybe_id(
        ctx.cloud,
        lambda session: session.security_groups,
        "security group",
        rule.get("remote_group_id"),
    )
    return SecurityRule(
        direction=rule.get("direction") or "ingress",
        ethertype=rule.get("ethertype") or "IPv4",
        protocol=rule.get("protocol"),
        port_min=rule.get("port_range_min"),
        port_max=rule.get("port_range_max"),
        remote_ip_prefix=rule.get("remote_ip_prefix"),
        remote_group_id=ctx.ref.physical_id if names_itself(rule) else group,
        description=rule.get("description") or "",
    )


async def spec(ctx: Context) -> SecurityGroupSpec:
    """What to ask for; before the group has an id, without the rules that name itself."""
    wanted = ctx.properties
    known = ctx.ref.physical_id is not None
    return SecurityGroupSpec(
        name=name_of(ctx),
        description=wanted.get("description") or "",
        rules=tuple(
            [
                await _rule(ctx, rule)
                for rule in wanted.get("rules") or ()
                if known or not names_itself(rule)
            ]
        ),
        stateful=wanted.get("stateful"),
    )


def written(group: SecurityGroup, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this group."""
    spec = group.spec
    return {
        "name": group.name,
        "description": spec.description or None,
        "rules": [_written(rule, group, peer) for rule in spec.rules],
        "stateful": spec.stateful,
    }


def _written(rule: SecurityRule, group: SecurityGroup, peer: Peers) -> dict[str, Any]:
    other = rule.remote_group_id
    return {
        "direction": rule.direction,
        "ethertype": rule.ethertype,
        "protocol": rule.protocol,
        "port_range_min": rule.port_min,
        "port_range_max": rule.port_max,
        "remote_mode": "remote_group_id" if other else None,
        "remote_group_id": None if other == group.id else peer("OS::Neutron::SecurityGroup", other),
        "remote_ip_prefix": rule.remote_ip_prefix,
        "description": rule.description or None,
    }


async def attributes(_: Context, __: SecurityGroup) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


BLUEPRINT = Blueprint(
    facts=TypeFacts(schema=SCHEMA, check_properties=check),
    noun="security group",
    collection=lambda session: session.security_groups,
    spec=spec,
    attributes=attributes,
    written=written,
)


async def create(ctx: Context) -> Outcome:
    """Make it; then, when rules name the group itself, complete it.

    An earlier try may have died between the group and its rules: then it is completed as well.
    """
    outcome = await generic.create(BLUEPRINT, ctx)
    itself = any(map(names_itself, ctx.properties["rules"] or ()))
    if not isinstance(outcome, Done) or (ctx.fresh and not itself):
        return outcome
    known = structs.replace(ctx, ref=structs.replace(ctx.ref, physical_id=outcome.physical_id))
    return await generic.update(BLUEPRINT, known)


TYPE: ResourceType = replace(cloud_object(BLUEPRINT), create=create)
