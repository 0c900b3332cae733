"""OS::Heat::CloudConfig: a map rendered as a cloud-init document."""

import yaml

from mantle.resources.heat.stored_config import CONFIG_ATTRIBUTE, stored_config
from mantle.resources.kit import Context
from mantle.resources.schemas import mapping, schema

SCHEMA = schema(
    "OS::Heat::CloudConfig",
    "Stores a cloud-init document.",
    {"cloud_config": mapping("The document.")},
    CONFIG_ATTRIBUTE,
    since="2014.1",
)


async def render(ctx: Context) -> str:
    """YAML under the line by which cloud-init knows it."""
    document = ctx.properties.get("cloud_config") or {}
    return "#cloud-config\n" + yaml.safe_dump(document, sort_keys=False, allow_unicode=True)


TYPE = stored_config(SCHEMA, render)
