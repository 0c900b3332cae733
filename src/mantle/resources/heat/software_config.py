"""OS::Heat::SoftwareConfig: a script or manifest, with its declared inputs and outputs."""

from collections.abc import Mapping

from mantle.model.schema import Property
from mantle.resources.heat.stored_config import CONFIG_ATTRIBUTE, GROUP_DEFAULT, stored_config
from mantle.resources.kit import Context
from mantle.resources.schemas import anything, boolean, mapping, maps, schema, string

VALUE_TYPES = ("String", "Number", "CommaDelimitedList", "Json", "Boolean")

INPUTS_AND_OUTPUTS: Mapping[str, Property] = {
    "options": mapping("Options for the tool."),
    "inputs": maps(
        "What a deployment may pass in.",
        {
            "name": string("The name.", required=True),
            "description": string("What it is for."),
            "type": string("Its type.", default="String", allowed=VALUE_TYPES),
            "default": anything("The value when none is passed."),
            "replace_on_change": boolean(
                "Whether a changed value replaces the deployment.", default=False
            ),
        },
    ),
    "outputs": maps(
        "What a run gives back.",
        {
            "name": string("The name.", required=True),
            "description": string("What it says."),
            "type": string("Its type.", default="String", allowed=VALUE_TYPES),
            "error_output": boolean("Whether any value means failure.", default=False),
        },
    ),
}

SCHEMA = schema(
    "OS::Heat::SoftwareConfig",
    "Stores a script or manifest; deployments and servers refer to it.",
    {
        "group": string("Which tool runs it.", default=GROUP_DEFAULT),
        "config": string("The script or manifest."),
        **INPUTS_AND_OUTPUTS,
    },
    CONFIG_ATTRIBUTE,
    since="2014.1",
)


async def render(ctx: Context) -> str:
    """The script as it is."""
    return str(ctx.properties.get("config") or "")


TYPE = stored_config(SCHEMA, render)
