"""OS::Glance::WebImage: an image that Glance fetches from an address itself."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import AllowedPattern
from mantle.resources.kit import Context
from mantle.resources.plain import plain
from mantle.resources.plain_sheets import Part, Sheet
from mantle.resources.schemas import boolean, integer, listing, mapping, schema, string, strings

UUID = AllowedPattern(
    pattern=r"^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}"
    r"-([0-9a-fA-F]){12}$"
)
DISKS = ("ami", "ari", "aki", "vhd", "vhdx", "vmdk", "raw", "qcow2", "vdi", "iso", "ploop")
CONTAINERS = ("ami", "ari", "aki", "bare", "ovf", "ova", "docker")


def _members(properties: Mapping[str, Any]) -> list[str]:
    """Projects are named where the image is shared with some."""
    if properties.get("members") and properties.get("visibility") not in {"shared", None}:
        return ["members: they are for visibility: shared. Say that, or leave them out."]
    if properties.get("owner") is not None:
        return ["owner: an image belongs to the stack's project. Leave owner out."]
    return []


async def _projects(_: Context, value: Any) -> Mapping[str, Any]:
    return dict.fromkeys((str(each) for each in value or ()), True)


SHEET = Sheet(
    schema=schema(
        "OS::Glance::WebImage",
        "An image that Glance fetches from an address itself.",
        {
            "name": string("The name."),
            "id": string("Its id; without it, one is made."),
            "min_disk": integer("GiB that a disk needs at least.", default=0, low=0),
            "min_ram": integer("MiB that a server needs at least.", default=0, low=0),
            "protected": boolean("Whether it cannot be deleted.", default=False, update=True),
            "disk_format": string("How the disk is written.", required=True, allowed=DISKS),
            "container_format": string("What is around it.", required=True, allowed=CONTAINERS),
            "location": string("The address to fetch it from.", required=True),
            "tags": strings("Tags.", update=True),
            "architecture": string("The processor it is for.", update=True),
            "kernel_id": string("The image of its kernel.", constraints=(UUID,), update=True),
            "os_distro": string("The system.", update=True),
            "os_version": string("The system's version.", update=True),
            "owner": string("The project that owns it.", update=True),
            "extra_properties": mapping("More properties.", default={}, update=True),
            "visibility": string(
                "Who may use it.",
                default="private",
                allowed=("public", "private", "community", "shared"),
                update=True,
            ),
            "ramdisk_id": string("The image of its first disk.", constraints=(UUID,), update=True),
            "active": boolean("Whether it may be used.", default=True, update=True),
            "members": listing("The projects it is shared with.", update=True),
        },
        since="12.0.0",
    ),
    kind="images",
    fields={
        **{
            name: name
            for name in (
                *("id", "min_disk", "min_ram", "protected", "disk_format", "container_format"),
                *("location", "tags", "architecture", "kernel_id", "os_distro", "os_version"),
                *("extra_properties", "visibility", "ramdisk_id", "active"),
            )
        }
    },
    parts={"members": Part(setting="image_members", values=_projects)},
    check=_members,
    unreadable={"extra_properties": "the service tells them among its own"},
)

TYPE = plain(SHEET)
