"""OS::Heat::StructuredConfig, whose config is a map, and OS::Heat::SoftwareComponent.

A component holds one config for each action; a deployment of it deploys the one of its action.
"""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Length
from mantle.resources.heat.software_config import INPUTS_AND_OUTPUTS
from mantle.resources.heat.stored_config import CONFIG_ATTRIBUTE, GROUP_DEFAULT, stored_config
from mantle.resources.kit import Context
from mantle.resources.schemas import listing, mapping, maps, schema, string

SCHEMA = schema(
    "OS::Heat::StructuredConfig",
    "Stores a map; deployments put their inputs into it.",
    {
        "group": string("Which tool runs it.", default=GROUP_DEFAULT),
        "config": mapping("The map."),
        **INPUTS_AND_OUTPUTS,
    },
    CONFIG_ATTRIBUTE,
    since="2014.1",
)
COMPONENT_SCHEMA = schema(
    "OS::Heat::SoftwareComponent",
    "Stores a config for each action.",
    {
        "configs": maps(
            "The configs, each with its actions.",
            {
                "actions": listing(
                    "The actions it is run in; further ones are for your own use.",
                    default=["CREATE", "UPDATE"],
                    constraints=(Length(min=1, max=None),),
                ),
                "config": string("The script or manifest."),
                "tool": string("Which tool runs it.", required=True),
            },
            required=True,
            constraints=(Length(min=1, max=None),),
        ),
        **INPUTS_AND_OUTPUTS,
    },
    CONFIG_ATTRIBUTE,
    since="2014.2",
)


def check_component(properties: Mapping[str, Any]) -> list[str]:
    """An action that two configs name would leave open which is run."""
    named: dict[str, int] = {}
    problems = []
    configs = properties.get("configs")
    for at, part in enumerate(configs if isinstance(configs, list) else ()):
        actions = part.get("actions") if isinstance(part, Mapping) else None
        for action in actions if isinstance(actions, list) else ():
            if action in named:
                problems.append(
                    f"configs[{at}].actions: {action} is named by configs[{named[action]}] too; "
                    "one config is run for an action."
                )
            elif isinstance(action, str):
                named[action] = at
    return problems


async def render(ctx: Context) -> Any:
    """The map as it is."""
    return ctx.properties.get("config") or {}


async def render_component(ctx: Context) -> Any:
    """All of its configs, in a map."""
    return {"configs": ctx.properties["configs"]}


TYPE = stored_config(SCHEMA, render)
COMPONENT_TYPE = stored_config(COMPONENT_SCHEMA, render_component, check_component)
