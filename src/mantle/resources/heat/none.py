"""OS::Heat::None: takes any property, does nothing, and answers null to everything."""

from mantle.model.schema import TypeFacts
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.schemas import schema

SCHEMA = schema(
    "OS::Heat::None",
    "Does nothing. An environment maps another type to it to leave that out.",
    {},
    any_property=True,
    since="5.0.0",
)


async def create(ctx: Context) -> Outcome:
    """There is nothing to do but to have a name."""
    return Done(physical_id=ctx.ref.physical_id or ctx.name_hint)


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA, open_attributes=True),
    create=create,
    update=create,
    needs_no_cloud=True,
)
