"""OS::Heat::ResourceChain: one resource of each of several types, one after another.

All get the same properties. Members are named by their place in the list.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Contents, Kind, TypeFacts
from mantle.resources.heat.resource_group import TEMPLATE_VERSION, members_of
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType
from mantle.resources.schemas import boolean, mapping, schema, strings

SCHEMA = schema(
    "OS::Heat::ResourceChain",
    "Makes a resource of each type of a list, in the order of the list.",
    {
        "resources": strings("The types, in order.", required=True, update=True),
        "concurrent": boolean("Make them all at once.", default=False),
        "resource_properties": mapping("What each of them is given."),
    },
    {
        "refs": (Kind.LIST, "Reference ids of the members."),
        "attributes": (Kind.MAP, "An attribute of all members, by member name."),
    },
    since="6.0.0",
)


def template_of(types: list[str], properties: Mapping[str, Any], *, concurrent: bool) -> Any:
    """The child's template: one resource for each type, each behind the one before."""
    members: dict[str, Any] = {}
    for position, kind in enumerate(types):
        member: dict[str, Any] = {"type": kind}
        if properties:
            member["properties"] = dict(properties)
        if position and not concurrent:
            member["depends_on"] = str(position - 1)
        members[str(position)] = member
    return {"heat_template_version": TEMPLATE_VERSION, "resources": members}


def contents(properties: Mapping[str, Any]) -> Contents | None:
    """All of its members."""
    types, given = properties["resources"], properties["resource_properties"]
    if not isinstance(types, list) or not all(isinstance(each, str) for each in types):
        return None
    if given is not None and not isinstance(given, Mapping):
        return None
    return Contents(template=template_of(types, given or {}, concurrent=True), placed=_placed)


def _placed(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if path[2:3] == ("properties",):
        return ("resource_properties", *path[3:])
    return ("resources", int(path[1])) if path[1:] else ("resources",)


async def deploy(ctx: Context) -> Outcome:
    """All members, as a stack of their own."""
    return Delegate(
        template=template_of(
            ctx.properties["resources"],
            ctx.properties["resource_properties"] or {},
            concurrent=ctx.properties["concurrent"],
        )
    )


def family_attributes(_: Context, family: Family) -> Mapping[str, Any]:
    """The members' references and attributes, in the order of the list."""
    return members_of(family)


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA, contains_resources=True, open_attributes=True, contents=contents
    ),
    create=deploy,
    update=deploy,
    family_attributes=family_attributes,
)
