"""OS::Heat::DeployedServer: a server that was made elsewhere, and takes deployments.

Nothing is made on a cloud. Whoever runs the server gives its agent what `os_collect_config` says.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.agent import TRANSPORTS, collect_config
from mantle.resources.kit import Context, Done, Outcome, ResourceType
from mantle.resources.names import name_of
from mantle.resources.schemas import mapping, not_offered, schema, string

SCHEMA = schema(
    "OS::Heat::DeployedServer",
    "Stands for a server that is there already, so that software is deployed to it.",
    {
        "name": string("Its name.", update=True),
        "metadata": mapping("Keys and values, for whoever reads the stack.", update=True),
        "software_config_transport": string(
            "How its agent hears of deployments.",
            default=TRANSPORTS[0],
            allowed=(*TRANSPORTS, "ZAQAR_MESSAGE"),
            update=True,
        ),
        "deployment_swift_data": mapping(
            "Where an object store would keep its metadata.",
            {
                "container": string("The container.", shortest=1),
                "object": string("The object.", shortest=1),
            },
            default={},
            update=True,
        ),
    },
    {
        "name": (Kind.STRING, "Its name."),
        "os_collect_config": Attribute(
            kind=Kind.MAP, description="What its agent needs.", secret=True
        ),
    },
    name_limit=53,
)


async def make(ctx: Context) -> Outcome:
    """The row is the server."""
    return Done(physical_id=ctx.ref.id)


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """Its name, and what its agent is to be told."""
    config = collect_config(SCHEMA.type, ctx.properties, ctx.ref, ctx.callbacks)
    return {"name": name_of(ctx), "os_collect_config": config or {}}


TYPE = ResourceType(
    facts=TypeFacts(
        schema=SCHEMA,
        check_properties=not_offered(
            {
                "software_config_transport": "ZAQAR_MESSAGE needs a message queue. Use "
                f"{', '.join(TRANSPORTS)}.",
                "deployment_swift_data": "there is no object store. Leave it out.",
            },
            {"software_config_transport": TRANSPORTS},
        ),
    ),
    create=make,
    attributes=attributes,
    needs_no_cloud=True,
)
