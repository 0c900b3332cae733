"""Deployments of one config to many servers, as a child stack: OS::Heat::SoftwareDeploymentGroup.

Members are named by the keys of `servers`. The older names of the two types are accepted, and not
offered.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.schema import (
    Contents,
    Kind,
    OnChange,
    Property,
    ResourceSchema,
    SupportStatus,
    TypeFacts,
)
from mantle.resources.heat.resource_group import BATCH, TEMPLATE_VERSION
from mantle.resources.heat.rolling import in_batches
from mantle.resources.heat.software_deployment import PROPERTIES, STRUCTURED, check
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType
from mantle.resources.schemas import mapping, schema

SERVERS = Property(
    kind=Kind.MAP,
    description="The servers, by names of your choice.",
    required=True,
    on_change=OnChange.UPDATE,
)
POLICY: Mapping[str, Property] = {
    "rolling_update": mapping("How an update goes through the servers.", BATCH),
    "batch_create": mapping("How the first deployment goes through the servers.", BATCH),
}
ATTRIBUTES = {
    "deploy_stdouts": (Kind.MAP, "What each printed."),
    "deploy_stderrs": (Kind.MAP, "What each printed to its standard error."),
    "deploy_status_codes": (Kind.MAP, "The exit status of each."),
}
PLURALS = {
    "deploy_stdout": "deploy_stdouts",
    "deploy_stderr": "deploy_stderrs",
    "deploy_status_code": "deploy_status_codes",
}


def template_of(member: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """One deployment for each server."""
    shared = {
        name: value for name, value in properties.items() if name != "servers" and value is not None
    }
    return {
        "heat_template_version": TEMPLATE_VERSION,
        "resources": {
            str(name): {"type": member, "properties": {**shared, "server": server}}
            for name, server in properties["servers"].items()
        },
    }


def contents_of(member: str, properties: Mapping[str, Any]) -> Contents | None:
    """One deployment stands for all."""
    servers = properties["servers"]
    if not isinstance(servers, Mapping) or not servers:
        return None
    first = dict([next(iter(servers.items()))])
    template = template_of(member, {**properties, "servers": first})
    return Contents(template=template, times=len(servers), placed=_placed)


def _placed(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    below = path[3:]
    return ("servers",) if not below or below[0] == "server" else below


def family_attributes(_: Context, family: Family) -> Mapping[str, Any]:
    """Each output of all members, by the member's name."""
    found: dict[str, dict[str, Any]] = {plural: {} for plural in PLURALS.values()}
    for name, answered in family.attributes.items():
        for attribute, value in answered.items():
            found.setdefault(PLURALS.get(attribute, attribute), {})[name] = value
    return found


def group_type(kind: ResourceSchema, member: str) -> ResourceType:
    """A type of groups of deployments."""

    def delegate(ctx: Context, policy: str) -> Delegate:
        size, pause = in_batches(ctx.update_policy.get(policy))
        return Delegate(
            template=template_of(member, ctx.properties), batch_size=size, pause_seconds=pause
        )

    async def create(ctx: Context) -> Outcome:
        return delegate(ctx, "batch_create")

    async def update(ctx: Context) -> Outcome:
        return delegate(ctx, "rolling_update")

    return ResourceType(
        facts=TypeFacts(
            schema=kind,
            check_properties=check,
            contains_resources=True,
            open_attributes=True,
            contents=lambda properties: contents_of(member, properties),
        ),
        create=create,
        update=update,
        family_attributes=family_attributes,
    )


def _old_name(kind: ResourceType, name: str, member: str) -> ResourceType:
    old = replace(kind.schema, type=name, support=SupportStatus.HIDDEN, since="7.0.0")
    return group_type(old, member)


SOFTWARE, STRUCTURED_MEMBER = "OS::Heat::SoftwareDeployment", "OS::Heat::StructuredDeployment"

TYPE = group_type(
    schema(
        "OS::Heat::SoftwareDeploymentGroup",
        "Runs a software config on many servers.",
        {**PROPERTIES, "servers": SERVERS},
        ATTRIBUTES,
        update_policies=tuple(POLICY),
        update_policy=POLICY,
        since="5.0.0",
    ),
    SOFTWARE,
)
STRUCTURED_TYPE = group_type(
    schema(
        "OS::Heat::StructuredDeploymentGroup",
        "Runs a structured config on many servers.",
        {**PROPERTIES, **STRUCTURED, "servers": SERVERS},
        ATTRIBUTES,
        update_policies=tuple(POLICY),
        update_policy=POLICY,
        since="5.0.0",
    ),
    STRUCTURED_MEMBER,
)
OLD_TYPE = _old_name(TYPE, "OS::Heat::SoftwareDeployments", SOFTWARE)
OLD_STRUCTURED_TYPE = _old_name(
    STRUCTURED_TYPE, "OS::Heat::StructuredDeployments", STRUCTURED_MEMBER
)
