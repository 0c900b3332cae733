"""OS::Heat::ResourceGroup: the same resource many times, as a child stack.

Members are named by their index. A removed member's index is never used again: the row's data
remembers it under `removed`, and the group counts on beyond it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from mantle.model.schema import Contents, Kind, OnChange, Property, TypeFacts
from mantle.model.values import unknowns_in
from mantle.resources.heat.rolling import Member, in_batches, next_round, pace_of, rests_seconds
from mantle.resources.kit import Context, Delegate, Family, Outcome, ResourceType
from mantle.resources.schemas import (
    integer,
    listing,
    mapping,
    maps,
    number,
    schema,
    string,
)

TEMPLATE_VERSION = "2016-10-14"

BATCH = {
    "max_batch_size": integer("Members at once.", default=1, low=1),
    "pause_time": number("Seconds to rest between two batches.", default=0, low=0),
}
IN_SERVICE = {
    "min_in_service": integer(
        "Members that stay untouched meanwhile; the group grows for it.", default=0, low=0
    ),
}
UPDATE_POLICY: Mapping[str, Property] = {
    "rolling_update": mapping("How an update goes through the members.", {**IN_SERVICE, **BATCH}),
    "batch_create": mapping("How members are created.", BATCH),
}

SCHEMA = schema(
    "OS::Heat::ResourceGroup",
    "Makes the same resource a number of times.",
    {
        "count": integer("How many.", default=1, low=0, update=True),
        "index_var": string(
            "What stands for the member's index in texts.", default="%index%", shortest=3
        ),
        "resource_def": Property(
            kind=Kind.MAP,
            description="The definition of every member.",
            required=True,
            on_change=OnChange.UPDATE,
            fields={
                "type": string("The resource type.", required=True),
                "properties": mapping("Its properties."),
                "metadata": mapping("Its metadata."),
            },
        ),
        "removal_policies": maps(
            "Which members go first when the group shrinks, or are replaced.",
            {"resource_list": listing("Names or reference ids of members.", default=[])},
            default=[],
            update=True,
        ),
        "removal_policies_mode": string(
            "Whether removal_policies adds to the earlier ones or replaces them.",
            default="append",
            allowed=("append", "update"),
            update=True,
        ),
    },
    {
        "refs": (Kind.LIST, "Reference ids of the members."),
        "refs_map": (Kind.MAP, "Reference ids by member name."),
        "attributes": (Kind.MAP, "An attribute of all members, by member name."),
        "removed_rsrc_list": (Kind.LIST, "Indexes that are never used again."),
    },
    update_policies=("rolling_update", "batch_create"),
    update_policy=UPDATE_POLICY,
    since="2014.1",
)


def removed_members(ctx: Context) -> list[str]:
    """The names never to be used again: those remembered, and those the policies name now."""
    kept = [] if ctx.properties["removal_policies_mode"] == "update" else _remembered(ctx)
    by_reference: dict[str, str] = {}
    members: Iterable[str] = ()
    if ctx.family is not None:
        members = ctx.family.refs
        by_reference = {reference: name for name, reference in ctx.family.refs.items()}
    known = {*members, *_remembered(ctx)}
    for policy in ctx.properties["removal_policies"] or []:
        for entry in policy.get("resource_list") or []:
            name = by_reference.get(str(entry), str(entry))
            if name in known and name not in kept:
                kept.append(name)
    return kept


def _remembered(ctx: Context) -> list[str]:
    return list(ctx.ref.data.get("removed", ()))


def member_names(count: int, removed: Iterable[str]) -> list[str]:
    """The first indexes that are not removed, as many as wanted."""
    gone = set(removed)
    names: list[str] = []
    index = 0
    while len(names) < count:
        if str(index) not in gone:
            names.append(str(index))
        index += 1
    return names


def with_index(value: Any, variable: str, index: str) -> Any:
    """The value with the variable replaced in every text; keys of maps stay as they are."""
    if isinstance(value, str):
        return value.replace(variable, index)
    if isinstance(value, list):
        return [with_index(each, variable, index) for each in value]
    if isinstance(value, Mapping):
        return {key: with_index(each, variable, index) for key, each in value.items()}
    return value


def template_of(definition: Mapping[str, Any], names: Iterable[str], variable: str) -> Any:
    """The child's template: one resource per member."""
    parts = {key: value for key, value in definition.items() if key != "type" and value}
    members = {
        name: {"type": definition["type"], **with_index(parts, variable, name)} for name in names
    }
    return {"heat_template_version": TEMPLATE_VERSION, "resources": members}


def contents(properties: Mapping[str, Any]) -> Contents | None:
    """The first member stands for all of them, as in Heat."""
    definition, variable = properties["resource_def"], properties["index_var"]
    if not isinstance(definition, Mapping) or not isinstance(definition.get("type"), str):
        return None
    if not isinstance(variable, str):
        return None
    count = properties["count"]
    return Contents(
        template=template_of(definition, ["0"], variable),
        times=count if isinstance(count, int) else 1,
        placed=lambda path: ("resource_def", *path[2:]),
    )


def _delegate(ctx: Context, names: Iterable[str], **more: Any) -> Delegate:
    return Delegate(
        template=template_of(ctx.properties["resource_def"], names, ctx.properties["index_var"]),
        **more,
    )


async def create(ctx: Context) -> Outcome:
    """All members, in batches when asked to."""
    removed = removed_members(ctx)
    size, pause = in_batches(ctx.update_policy.get("batch_create"))
    return _delegate(
        ctx,
        member_names(ctx.properties["count"], removed),
        data={**ctx.ref.data, "removed": removed},
        batch_size=size,
        pause_seconds=pause,
    )


async def update(ctx: Context) -> Outcome:
    """Members changed, added and removed: all at once, or in rounds when asked to."""
    count, removed = ctx.properties["count"], removed_members(ctx)
    data = {**ctx.ref.data, "removed": removed}
    whole = _delegate(ctx, member_names(count, removed), data=data)
    policy = ctx.update_policy.get("rolling_update")
    if policy is None or ctx.family is None or not ctx.family.definitions:
        return whole
    pace = pace_of(policy)
    members = [
        Member(name=name, definition=each, well=name not in ctx.family.unwell)
        for name, each in ctx.family.definitions.items()
        if name not in removed
    ]
    found = next_round(
        members,
        lambda size: member_names(size, removed),
        count,
        lambda name: _member(ctx, name),
        pace,
    )
    assert isinstance(whole.template, Mapping)
    if found is None or found == whole.template["resources"]:
        return whole
    return Delegate(
        template={"heat_template_version": TEMPLATE_VERSION, "resources": found},
        data=data,
        last=False,
        rest_seconds=pace.pause_seconds,
    )


def _member(ctx: Context, name: str) -> Any:
    variable = ctx.properties["index_var"]
    return template_of(ctx.properties["resource_def"], [name], variable)["resources"][name]


def rests(properties: Mapping[str, Any], policy: Mapping[str, Any], *, making: bool) -> float:
    """Seconds that the pauses of a create or an update take; values may be unknown."""
    count = properties.get("count")
    given = policy.get("batch_create" if making else "rolling_update")
    if not isinstance(count, int) or not isinstance(given, Mapping) or unknowns_in(given):
        return 0.0
    return rests_seconds(count, count, pace_of(given))


def members_of(family: Family) -> dict[str, Any]:
    """The members' references and attributes: listed, by name, and as `resource.N.attr`."""
    refs = dict(sorted(family.refs.items(), key=_position))
    found: dict[str, Any] = {}
    by_attribute: dict[str, dict[str, Any]] = {}
    for name, reference in refs.items():
        found[f"resource.{name}"] = reference
        for attribute, value in family.attributes.get(name, {}).items():
            found[f"resource.{name}.{attribute}"] = value
            by_attribute.setdefault(attribute, {})[name] = value
    lists = {
        attribute: [values.get(name) for name in refs] for attribute, values in by_attribute.items()
    }
    return {
        **lists,
        **found,
        "refs": list(refs.values()),
        "refs_map": refs,
        "attributes": by_attribute,
    }


def family_attributes(ctx: Context, family: Family) -> Mapping[str, Any]:
    """What the members answer, and which indexes are never used again."""
    return {**members_of(family), "removed_rsrc_list": _remembered(ctx)}


def _position(member: tuple[str, str]) -> tuple[int, str]:
    """Members are listed by index, whatever order they were made in."""
    return int(member[0]) if member[0].isdecimal() else 0, member[0]


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA, contains_resources=True, open_attributes=True, contents=contents, rests=rests
    ),
    create=create,
    update=update,
    family_attributes=family_attributes,
)
