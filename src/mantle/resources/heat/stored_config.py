"""What the software configuration types share: a text or map that others refer to by id.

The row's id is the config's id. A server whose `user_data` is such an id boots with the text.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from mantle.model.ids import ProjectId
from mantle.model.records import ResourceRecord
from mantle.model.schema import Kind, ResourceSchema, TypeFacts
from mantle.model.software import SoftwareConfig
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.schemas import Rule

CONFIG_ATTRIBUTE = {"config": (Kind.STRING, "The text.")}
GROUP_DEFAULT = "Heat::Ungrouped"


def stored_config(
    schema: ResourceSchema,
    render: Callable[[Context], Awaitable[Any]],
    check: Rule | None = None,
) -> ResourceType:
    """A type whose text or map `render` makes of its properties; it never changes in place."""

    async def create(ctx: Context) -> Outcome:
        return Done(physical_id=ctx.ref.id, data={"config": await render(ctx)})

    return ResourceType(
        facts=TypeFacts(schema=schema, check_properties=check),
        create=create,
        attributes=attributes,
        needs_no_cloud=True,
        holds_config=True,
    )


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The text."""
    return {"config": ctx.ref.data.get("config", "")}


def held_config(row: ResourceRecord, project_id: ProjectId) -> SoftwareConfig:
    """What the row of such a type holds, in the form of a stored configuration."""
    given = row.properties
    component = "configs" in given
    return SoftwareConfig(
        id=row.id,
        project_id=project_id,
        name=row.name,
        group="component" if component else str(given.get("group") or GROUP_DEFAULT),
        config=row.attributes.get("config", ""),
        inputs=tuple(given.get("inputs") or ()),
        outputs=tuple(given.get("outputs") or ()),
        options=given.get("options") or {},
        created_at=row.created_at,
    )


async def text_of(ctx: Context, text_or_id: str) -> str:
    """The text of the config with this id; anything that is no such id is the text itself."""
    if len(text_or_id) != len("00000000-0000-4000-8000-000000000000"):
        return text_or_id
    stored = await ctx.config_text(text_or_id)
    return text_or_id if stored is None else stored
