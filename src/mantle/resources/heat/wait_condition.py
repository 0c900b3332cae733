"""OS::Heat::WaitCondition: waits until its handle has received enough signals."""

from collections.abc import Mapping
from typing import Any

from mantle.model.ids import ResourceId
from mantle.model.schema import Kind, TypeFacts
from mantle.resources.heat.signalled import data_text, handle_row, waited
from mantle.resources.kit import Context, Outcome, ResourceType
from mantle.resources.schemas import integer, number, schema, string

SCHEMA = schema(
    "OS::Heat::WaitCondition",
    "Waits for signals to a handle.",
    {
        "handle": string("The handle, by get_resource.", required=True),
        "timeout": number("Longest wait in seconds.", required=True, low=1, high=43200),
        "count": integer("How many successes to wait for.", default=1, low=1, update=True),
    },
    {"data": (Kind.STRING, "JSON text: the data of each signal by its id.")},
    since="2014.2",
)


async def wait(ctx: Context) -> Outcome:
    """Until there are enough."""
    return waited(ctx, ctx.properties["count"], float(ctx.properties["timeout"]))


def signals_from(properties: Mapping[str, Any]) -> ResourceId | None:
    """The handle's row."""
    return handle_row(properties.get("handle"))


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The data of the signals that ended the wait."""
    return {"data": data_text(ctx.ref)}


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA),
    create=wait,
    update=wait,
    attributes=attributes,
    signals_from=signals_from,
)
