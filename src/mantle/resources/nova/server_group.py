"""OS::Nova::ServerGroup: servers that shall run together on a host, or apart."""

from collections.abc import Mapping
from typing import Any

from mantle.clouds.ports import ServerGroup, ServerGroupSpec
from mantle.model.schema import TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.names import name_of
from mantle.resources.schemas import listing, mapping, number, schema, string

POLICIES = ("anti-affinity", "affinity", "soft-anti-affinity", "soft-affinity")

SCHEMA = schema(
    "OS::Nova::ServerGroup",
    "Servers that shall run together on a host, or apart: name its id in scheduler_hints.group.",
    {
        "name": string("The name."),
        "policies": listing(
            "Together or apart, strictly or if possible; one of them.",
            string("The policy.", allowed=POLICIES),
            default=["anti-affinity"],
        ),
        "rules": mapping(
            "More about the policy.",
            {"max_server_per_host": number("Servers on one host, for anti-affinity.")},
        ),
    },
    since="2014.2",
)


def check(properties: Mapping[str, Any]) -> list[str]:
    """One policy, and a limit only where servers are kept apart."""
    policies = properties.get("policies")
    if not isinstance(policies, list):
        return []
    problems = []
    if len(policies) > 1:
        problems.append("policies: a server group has one policy. Keep one of them.")
    rules = properties.get("rules")
    limited = isinstance(rules, Mapping) and rules.get("max_server_per_host") is not None
    if limited and policies and policies != ["anti-affinity"]:
        problems.append("rules.max_server_per_host: only anti-affinity has it. Leave it out.")
    return problems


async def spec(ctx: Context) -> ServerGroupSpec:
    """What to ask for."""
    wanted = ctx.properties
    limit = (wanted.get("rules") or {}).get("max_server_per_host")
    return ServerGroupSpec(
        name=name_of(ctx),
        policy=next(iter(wanted.get("policies") or ()), "anti-affinity"),
        max_servers_per_host=None if limit is None else int(limit),
    )


def written(group: ServerGroup, _: Peers) -> Mapping[str, Any]:
    """The properties that ask for this group."""
    limit = group.spec.max_servers_per_host
    return {
        "name": group.name,
        "policies": [group.spec.policy],
        "rules": {} if limit is None else {"max_server_per_host": limit},
    }


async def attributes(_: Context, __: ServerGroup) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


TYPE = cloud_object(
    Blueprint(
        facts=TypeFacts(schema=SCHEMA, check_properties=check),
        noun="server group",
        collection=lambda session: session.server_groups,
        spec=spec,
        attributes=attributes,
        written=written,
    )
)
