"""OS::Cinder::VolumeType and what belongs to it: encryption, QoS specs and their association."""

from collections.abc import Mapping
from typing import Any

from mantle.resources.kit import Context
from mantle.resources.nova.flavor import as_texts, projects, texts
from mantle.resources.plain import SettingSheet, named, plain, setting
from mantle.resources.plain_sheets import Part, Sheet
from mantle.resources.schemas import boolean, integer, listing, mapping, schema, string


def _private(properties: Mapping[str, Any]) -> list[str]:
    """Projects are named where not everybody may use it."""
    if properties.get("projects") and properties.get("is_public") is True:
        return ["projects: a public type is everybody's. Say is_public: false, or leave it out."]
    return []


TYPE = Sheet(
    schema=schema(
        "OS::Cinder::VolumeType",
        "A kind of volume: which storage it lies on, and how.",
        {
            "name": string("The name.", required=True, update=True),
            "metadata": mapping("What the scheduler and storage are told.", update=True),
            "is_public": boolean("Whether every project may use it.", default=True, update=True),
            "description": string("What it is for.", update=True),
            "projects": listing(
                "The projects that may use it, when it is not public.",
                string("By name or id.", custom="keystone.project"),
                default=[],
                update=True,
            ),
        },
        since="2015.1",
    ),
    kind="volume_types",
    fields={"description": "description", "is_public": "is_public"},
    parts={
        "metadata": Part(setting="type_specs", values=texts, told="extra_specs", back=as_texts),
        "projects": Part(setting="type_access", values=projects),
    },
    check=_private,
    unique=("name",),
    admin_only=True,
)

ENCRYPTION = ("provider", "control_location", "cipher", "key_size")


async def _type(ctx: Context) -> str:
    return str(await named("volume_types")(ctx, ctx.properties["volume_type"]))


async def _encryption(_: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: wanted[name] for name in ENCRYPTION if wanted.get(name) is not None}


ENCRYPTED = SettingSheet(
    schema=schema(
        "OS::Cinder::EncryptedVolumeType",
        "Has a volume type's volumes encrypted.",
        {
            "provider": string("What encrypts: `luks`.", required=True, update=True),
            "control_location": string(
                "Who does it: the compute service or the storage.",
                default="front-end",
                allowed=("front-end", "back-end"),
                update=True,
            ),
            "cipher": string(
                "The cipher.", allowed=("aes-xts-plain64", "aes-cbc-essiv"), update=True
            ),
            "key_size": integer("Bits of the key.", update=True),
            "volume_type": string(
                "The volume type, by name or id.", required=True, custom="cinder.vtype"
            ),
        },
        since="5.0.0",
    ),
    setting="type_encryptions",
    target=_type,
    values=_encryption,
    admin_only=True,
)

SPECS = Sheet(
    schema=schema(
        "OS::Cinder::QoSSpecs",
        "How fast volumes are: associated with volume types.",
        {
            "name": string("The name."),
            "specs": mapping("Keys and values.", required=True, update=True),
        },
        since="7.0.0",
    ),
    kind="qos_specs",
    parts={"specs": Part(setting="qos_specs_values", values=texts, told="specs", back=as_texts)},
    unique=("name",),
    admin_only=True,
)


async def _specs(ctx: Context) -> str:
    return str(await named("qos_specs")(ctx, ctx.properties["qos_specs"]))


async def _types(ctx: Context, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
    return dict.fromkeys(await named("volume_types")(ctx, list(wanted["volume_types"] or ())), True)


ASSOCIATION = SettingSheet(
    schema=schema(
        "OS::Cinder::QoSAssociation",
        "The volume types that some QoS specs are for.",
        {
            "qos_specs": string(
                "The QoS specs, by name or id.", required=True, custom="cinder.qos_specs"
            ),
            "volume_types": listing(
                "The volume types.",
                string("By name or id.", custom="cinder.vtype"),
                required=True,
                update=True,
            ),
        },
        since="8.0.0",
    ),
    setting="qos_associations",
    target=_specs,
    values=_types,
    admin_only=True,
)

TYPES = (plain(TYPE), plain(SPECS), setting(ENCRYPTED), setting(ASSOCIATION))
