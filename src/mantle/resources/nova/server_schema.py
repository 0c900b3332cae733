"""The table of OS::Nova::Server's properties and attributes, and the rules between them."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Attribute, Kind
from mantle.resources.neutron.port import EXTRA_HARMLESS, EXTRA_NOT_OFFERED, EXTRA_PROPERTIES
from mantle.resources.schemas import (
    boolean,
    integer,
    mapping,
    maps,
    not_offered,
    old_name,
    rules,
    schema,
    string,
    strings,
)

NETWORK = {
    "uuid": old_name("network", custom="neutron.network"),
    "network": string("The network, by name or id.", custom="neutron.network"),
    "allocate_network": string(
        "auto: a network of the cloud's choice; none: no network.",
        allowed=("none", "auto"),
        update=True,
    ),
    "fixed_ip": string("The address wanted.", custom="ip_addr"),
    "port": string("A port made before, by name or id.", custom="neutron.port"),
    "port_extra_properties": mapping(
        "More about the port that is made.", EXTRA_PROPERTIES, update=True
    ),
    "subnet": string("The subnet to take the address from, by name or id."),
    "floating_ip": string("A floating address to lead here."),
    "tag": string("A tag of the interface."),
}

BLOCK_DEVICE = {
    "device_name": string("The device, such as vda.", required=True),
    "volume_id": string("The volume.", custom="cinder.volume"),
    "snapshot_id": string("A snapshot to make a volume of.", custom="cinder.snapshot"),
    "volume_size": integer("Gibibytes."),
    "delete_on_termination": boolean("Whether the volume goes with the server."),
}

BLOCK_DEVICE_V2 = {
    "device_name": string("The device, such as vda."),
    "volume_id": string("The volume.", custom="cinder.volume"),
    "image_id": old_name("image", custom="glance.image"),
    "image": string("An image to make a volume of.", custom="glance.image"),
    "snapshot_id": string("A snapshot to make a volume of.", custom="cinder.snapshot"),
    "swap_size": integer("Mebibytes of swap."),
    "ephemeral_size": integer("Gibibytes of scratch space.", low=1),
    "ephemeral_format": string(
        "How scratch space is formatted.", allowed=("ext2", "ext3", "ext4", "xfs", "ntfs")
    ),
    "device_type": string("cdrom or disk.", allowed=("cdrom", "disk")),
    "disk_bus": string(
        "How it is connected.", allowed=("ide", "lame_bus", "sata", "scsi", "usb", "virtio")
    ),
    "boot_index": integer("Its place in the boot order."),
    "volume_size": integer("Gibibytes."),
    "delete_on_termination": boolean("Whether the volume goes with the server."),
    "volume_type": string("The type of a volume that is made.", custom="cinder.vtype"),
}

SCHEMA = schema(
    "OS::Nova::Server",
    "A server.",
    {
        "name": string("The name.", update=True),
        "image": string("The image, by name or id.", custom="glance.image", update=True),
        "block_device_mapping": maps("Disks to boot with, in the old form.", BLOCK_DEVICE),
        "block_device_mapping_v2": maps("Disks to boot with.", BLOCK_DEVICE_V2),
        "flavor": string(
            "The size, by name or id.", required=True, custom="nova.flavor", update=True
        ),
        "flavor_update_policy": string(
            "What a changed flavor does.",
            default="RESIZE",
            allowed=("RESIZE", "REPLACE"),
            update=True,
        ),
        "image_update_policy": string(
            "What a changed image does.",
            default="REBUILD",
            allowed=("REBUILD", "REPLACE", "REBUILD_PRESERVE_EPHEMERAL"),
            update=True,
        ),
        "key_name": string("The key pair.", custom="nova.keypair"),
        "admin_user": string("The administrator's name.", hidden=True),
        "availability_zone": string("The zone."),
        "security_groups": strings("Security groups, by name or id.", default=[]),
        "networks": maps("Its interfaces, in order.", NETWORK, update=True),
        "scheduler_hints": mapping("Hints for the scheduler."),
        "metadata": mapping("Keys and texts.", default={}, update=True),
        "user_data_format": string(
            "How user_data is packed; a boot script runs in every form.",
            default="HEAT_CFNTOOLS",
            allowed=("HEAT_CFNTOOLS", "RAW", "SOFTWARE_CONFIG"),
        ),
        "software_config_transport": string(
            "How it hears of deployments.",
            default="POLL_SERVER_CFN",
            allowed=("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "POLL_TEMP_URL", "ZAQAR_MESSAGE"),
            update=True,
        ),
        "user_data_update_policy": string(
            "What changed user_data does.",
            default="REPLACE",
            allowed=("REPLACE", "IGNORE", "REBUILD"),
            update=True,
        ),
        "user_data": string(
            "The boot script, or the id of a stored config.", default="", update=True
        ),
        "reservation_id": string("A reservation."),
        "config_drive": boolean("Whether metadata comes on a disk."),
        "diskConfig": string("How the disk is partitioned.", allowed=("AUTO", "MANUAL")),
        "personality": mapping("Files to put in.", default={}),
        "admin_pass": string("The administrator's password.", secret=True, update=True),
        "tags": strings("Tags.", update=True),
        "deployment_swift_data": mapping(
            "Where deployment data lies.",
            {
                "container": string("The container.", shortest=1),
                "object": string("The object.", shortest=1),
            },
            default={},
            update=True,
        ),
    },
    {
        "name": (Kind.STRING, "The name."),
        "addresses": (Kind.MAP, "Addresses with their ports, by network."),
        "networks": (Kind.MAP, "Lists of addresses, by network name and id."),
        "first_address": (Kind.STRING, "The first address."),
        "instance_name": (Kind.STRING, "The name the cloud gave it."),
        "accessIPv4": (Kind.STRING, "An address to reach it by."),
        "accessIPv6": (Kind.STRING, "An address to reach it by."),
        "console_urls": (Kind.MAP, "Where its console is."),
        "tags": (Kind.LIST, "Tags."),
        "os_collect_config": Attribute(
            kind=Kind.MAP,
            description="What an agent in it needs.",
            secret=True,
            secret_when={"user_data_format": ("SOFTWARE_CONFIG",)},
        ),
    },
    name_limit=53,
    takes_snapshots=True,
    begins_with="image",
)

DISK_SOURCES = ("volume_id", "image", "snapshot_id")
"""What a disk is or is made of."""
SCRATCH = ("swap_size", "ephemeral_size")
"""What a disk can be instead: empty, and the host's."""

NOT_OFFERED = {
    "admin_user": "the image chooses the administrator. Leave admin_user out.",
    "reservation_id": "there are no reservations. Leave reservation_id out.",
    "personality": "Nova takes no files since 2.57. Write them in user_data.",
    "software_config_transport": (
        "ZAQAR_MESSAGE needs a message queue. Use POLL_SERVER_CFN, POLL_SERVER_HEAT or "
        "POLL_TEMP_URL."
    ),
    "deployment_swift_data": "there is no object store. Leave deployment_swift_data out.",
    "image_update_policy": "REBUILD_PRESERVE_EPHEMERAL needs ephemeral disks. Use REBUILD.",
    "networks.*.floating_ip": "use a resource OS::Neutron::FloatingIPAssociation instead.",
    **{f"networks.*.port_extra_properties.{name}": why for name, why in EXTRA_NOT_OFFERED.items()},
}
HARMLESS = {
    "software_config_transport": ("POLL_SERVER_CFN", "POLL_SERVER_HEAT", "POLL_TEMP_URL"),
    "image_update_policy": ("REBUILD", "REPLACE"),
    **{
        f"networks.*.port_extra_properties.{name}": values
        for name, values in EXTRA_HARMLESS.items()
    },
}


def _listed(value: Any) -> list[Mapping[str, Any]]:
    """The maps of a list that is known."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def check_boot(properties: Mapping[str, Any]) -> list[str]:
    """There is something to boot from."""
    if properties.get("image") is not None:
        return []
    disks = ("block_device_mapping", "block_device_mapping_v2")
    if any(properties.get(name) and not isinstance(properties[name], list) for name in disks):
        return []
    if any(
        each.get(source) is not None
        for name in disks
        for each in _listed(properties.get(name))
        for source in DISK_SOURCES
    ):
        return []
    return ["image: neither an image nor a volume to boot from is given. Name an image."]


def check_disks(properties: Mapping[str, Any]) -> list[str]:
    """Only one form of the disks, each with one source."""
    old, new = properties.get("block_device_mapping"), properties.get("block_device_mapping_v2")
    problems = []
    if old and new:
        problems.append("block_device_mapping: give this or block_device_mapping_v2, not both.")
    for at, each in enumerate(_listed(new)):
        sources = [name for name in (*DISK_SOURCES, *SCRATCH) if each.get(name) is not None]
        if len(sources) > 1:
            problems.append(
                f"block_device_mapping_v2[{at}]: give one of {', '.join((*DISK_SOURCES, *SCRATCH))}"
                f", not {' and '.join(sources)}."
            )
        if each.get("ephemeral_format") is not None and each.get("ephemeral_size") is None:
            problems.append(
                f"block_device_mapping_v2[{at}].ephemeral_format: needs ephemeral_size. Add it."
            )
    return problems


def check_networks(properties: Mapping[str, Any]) -> list[str]:
    """Every interface says where it leads, and does not contradict itself."""
    entries = _listed(properties.get("networks"))
    problems = []
    for at, each in enumerate(entries):
        given = {name for name, value in each.items() if value is not None}
        if not given & {"network", "port", "subnet", "allocate_network"}:
            problems.append(f"networks[{at}]: one of network, port and subnet must be given.")
        if "port" in given and given & {"fixed_ip", "subnet", "port_extra_properties"}:
            problems.append(f"networks[{at}]: a port has its own addresses. Give the port alone.")
        if "allocate_network" in given and len(entries) > 1:
            problems.append(f"networks[{at}].allocate_network: stands alone or not at all.")
    by_port = any(each.get("port") is not None for each in entries)
    if by_port and properties.get("security_groups"):
        problems.append("security_groups: a port has its own. Give them to the port.")
    return problems


check = rules(not_offered(NOT_OFFERED, HARMLESS), check_boot, check_disks, check_networks)
