"""OS::Nova::Server: boot, change, suspend, resume, delete.

What a change means is decided while planning, by `replace_when`: the policies of flavor, image and
user_data say whether the server is resized, rebuilt, replaced or left alone. An update therefore
has at most three deeds, a rebuild, the rest, and the power state that somebody changed beside us;
the row's data notes which the cloud accepted.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import (
    BlockDevice,
    Nic,
    ObjectStatus,
    Power,
    Server,
    ServerImage,
    ServerImageSpec,
    ServerSpec,
)
from mantle.model.schema import TypeFacts
from mantle.resources import cloud_object as generic
from mantle.resources.agent import collect_config, hands_account
from mantle.resources.cloud_object import Blueprint, cloud_object, look, progress
from mantle.resources.inverse import Peers
from mantle.resources.keeping import Keeper, forget_by, snapshot_of
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait
from mantle.resources.names import name_of, tags_of
from mantle.resources.nova.agent_boot import user_data_of
from mantle.resources.nova.server_networks import (
    MADE_BY,
    address_map,
    drop_ports,
    neighbours,
    network_ids,
    nics,
    replaced_by,
)
from mantle.resources.nova.server_schema import SCHEMA, check
from mantle.resources.unique import first_of, held_once, listed

STAGES = "update_stages"
"""In a row's data: the deeds of the present update that the cloud has accepted."""


def replace_when(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The update policies, and the changes that no server survives."""
    for name in ("image", "flavor", "user_data"):
        policy = f"{name}_update_policy"
        if before.get(name) != after.get(name) and after.get(policy) == "REPLACE":
            return f"{name} changes and {policy} is REPLACE"
    if (before.get("image") is None) != (after.get("image") is None):
        return "image is given on one side of the change only"
    return replaced_by(before.get("networks"), after.get("networks"))


async def spec(ctx: Context) -> ServerSpec:
    """What to ask for; makes the ports that interfaces need."""
    return replace(await dry_spec(ctx), nics=await nics(ctx, name_of(ctx)))


async def dry_spec(ctx: Context) -> ServerSpec:
    """The same without interfaces."""
    wanted = ctx.properties
    return ServerSpec(
        name=name_of(ctx),
        flavor=wanted["flavor"],
        image=wanted.get("image"),
        key_name=wanted.get("key_name"),
        user_data=await user_data_of(ctx),
        metadata={key: str(value) for key, value in (wanted.get("metadata") or {}).items()},
        security_groups=tuple(wanted.get("security_groups") or ()),
        block_devices=block_devices(wanted),
        availability_zone=wanted.get("availability_zone"),
        config_drive=wanted.get("config_drive"),
        scheduler_hints=wanted.get("scheduler_hints") or {},
        tags=tags_of(ctx),
        admin_password=wanted.get("admin_pass"),
        no_nics=any(
            each.get("allocate_network") == "none" for each in wanted.get("networks") or ()
        ),
        disk_config=wanted.get("diskConfig"),
    )


def block_devices(wanted: Mapping[str, Any]) -> tuple[BlockDevice, ...]:
    """Disks of either form; without an image, the first of them is booted from."""
    entries = wanted.get("block_device_mapping_v2") or wanted.get("block_device_mapping") or ()
    first = None if wanted.get("image") else 0
    return tuple(
        BlockDevice(
            volume_id=entry.get("volume_id"),
            image=entry.get("image"),
            snapshot_id=entry.get("snapshot_id"),
            size_gib=entry.get("volume_size"),
            boot_index=entry.get("boot_index") if at or first is None else _index(entry),
            device_name=entry.get("device_name"),
            delete_on_termination=bool(entry.get("delete_on_termination")),
            swap_mib=entry.get("swap_size"),
            ephemeral_gib=entry.get("ephemeral_size"),
            ephemeral_format=entry.get("ephemeral_format"),
            device_type=entry.get("device_type"),
            disk_bus=entry.get("disk_bus"),
            volume_type=entry.get("volume_type"),
        )
        for at, entry in enumerate(entries)
    )


def _index(entry: Mapping[str, Any]) -> int:
    index = entry.get("boot_index")
    return 0 if index is None else int(index)


def written(server: Server, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this server."""
    spec, interfaces = server.spec, _interfaces(server)
    by_port = any(nic.port_id for nic in interfaces)
    groups = [peer("OS::Neutron::SecurityGroup", each) for each in spec.security_groups]
    return {
        "name": server.name,
        "flavor": spec.flavor,
        "image": spec.image,
        "key_name": peer("OS::Nova::KeyPair", spec.key_name),
        "metadata": dict(spec.metadata),
        "networks": [
            {"port": peer("OS::Neutron::Port", nic.port_id)}
            if nic.port_id
            else {"network": peer("OS::Neutron::Net", nic.network_id), "fixed_ip": nic.fixed_ip}
            for nic in interfaces
        ],
        "security_groups": [] if by_port else groups,
        "block_device_mapping_v2": [_disk(each, peer) for each in spec.block_devices],
        "availability_zone": spec.availability_zone,
        "config_drive": spec.config_drive,
        "scheduler_hints": {
            key: peer("OS::Nova::ServerGroup", value) if key == "group" else value
            for key, value in spec.scheduler_hints.items()
        },
        "tags": list(spec.tags),
    }


def _interfaces(server: Server) -> tuple[Nic, ...]:
    """As they were asked for; where a cloud does not tell that, as they are."""
    if server.spec.nics:
        return server.spec.nics
    ports = dict.fromkeys(each.port_id for each in server.addresses if each.type == "fixed")
    return () if "" in ports else tuple(Nic(port_id=each) for each in ports)


def _disk(device: BlockDevice, peer: Peers) -> dict[str, Any]:
    return {
        "volume_id": peer("OS::Cinder::Volume", device.volume_id),
        "image": device.image,
        "snapshot_id": device.snapshot_id,
        "volume_size": device.size_gib,
        "boot_index": device.boot_index,
        "device_name": device.device_name,
        "delete_on_termination": True if device.delete_on_termination else None,
        "swap_size": device.swap_mib,
        "ephemeral_size": device.ephemeral_gib,
        "ephemeral_format": device.ephemeral_format,
        "device_type": device.device_type,
        "disk_bus": device.disk_bus,
        "volume_type": device.volume_type,
    }


def by_ports(server: Server, _: Peers) -> frozenset[str]:
    """Security groups of a server with ports of its own are the ports'; and so is the wiring."""
    by_port = any(nic.port_id for nic in _interfaces(server))
    wired = frozenset() if server.spec.nics else frozenset({"nics"})
    return wired | {"security_groups"} if by_port else frozenset()


UNREADABLE = {
    "user_data": "clouds do not tell the boot script back; giving it later replaces the server, "
    "unless user_data_update_policy is IGNORE",
    "admin_pass": "clouds do not tell passwords back",
}


async def attributes(ctx: Context, server: Server) -> Mapping[str, Any]:
    """As Heat's; networks and addresses are found by the network's name and id."""
    addresses = address_map(server, await network_ids(ctx.cloud, server))
    return {
        "name": server.name,
        "addresses": addresses,
        "networks": {
            network: [entry["addr"] for entry in entries] for network, entries in addresses.items()
        },
        "first_address": server.addresses[0].address if server.addresses else "",
        "instance_name": server.instance_name or server.name,
        "accessIPv4": "",
        "accessIPv6": "",
        "console_urls": {"novnc": server.console_url} if server.console_url else {},
        "tags": list(server.spec.tags),
        "os_collect_config": collect_config(
            "OS::Nova::Server", ctx.properties, ctx.ref, ctx.callbacks
        )
        or {},
    }


BLUEPRINT = Blueprint(
    facts=TypeFacts(
        schema=SCHEMA,
        check_properties=check,
        neighbours=neighbours,
        replace_when=replace_when,
        old_first=first_of(
            held_once("port", listed("networks", "port")),
            held_once("the address", listed("networks", "fixed_ip")),
            held_once("volume", listed("block_device_mapping", "volume_id")),
            held_once("volume", listed("block_device_mapping_v2", "volume_id")),
        ),
    ),
    noun="server",
    collection=lambda session: session.servers,
    spec=spec,
    dry_spec=dry_spec,
    attributes=attributes,
    written=written,
    unreadable=UNREADABLE,
    unseen=frozenset({"user_data", "admin_password"}),
    elsewhere=by_ports,
    remedy="See its console log; correct its properties, then update the stack.",
)


# --- update ----------------------------------------------------------------------------------


def _changed(ctx: Context, name: str) -> bool:
    return name in ctx.drifted or bool(ctx.before.get(name) != ctx.properties.get(name))


def deeds(ctx: Context) -> list[str]:
    """What this update asks of the cloud, in order."""
    rebuild = _changed(ctx, "image") or (
        _changed(ctx, "user_data") and ctx.properties["user_data_update_policy"] == "REBUILD"
    )
    power = ["power"] if "status" in ctx.drifted else []
    return ["rebuild", "adjust", *power] if rebuild else ["adjust", *power]


async def update(ctx: Context) -> Outcome:
    """One deed after the other, each once the server has settled after the one before."""
    server = await look(BLUEPRINT, ctx)
    if server is None:
        return await generic.update(BLUEPRINT, ctx)
    accepted = list(ctx.ref.data.get(STAGES, ())) if generic.sent(ctx) else []
    if accepted and server.status not in SETTLED:
        return progress(BLUEPRINT, server)
    left = [deed for deed in deeds(ctx) if deed not in accepted]
    if not left:
        return progress(BLUEPRINT, server)
    server = await DEEDS[left[0]](ctx, server)
    data = {**generic.marked(ctx), STAGES: [*accepted, left[0]]}
    outcome = progress(BLUEPRINT, server, data=data)
    if isinstance(outcome, Done) and len(left) > 1:
        return Wait(reason=f"{left[0]} is done", again_after_seconds=0.0, data=data)
    return outcome


async def _rebuild(ctx: Context, server: Server) -> Server:
    """The new image and boot script, on the disks and addresses it has."""
    wanted = ctx.properties
    renewed = wanted["user_data_update_policy"] == "REBUILD"
    text = await user_data_of(ctx)
    return await ctx.cloud.servers.rebuild(
        server.id,
        replace(
            server.spec,
            image=wanted.get("image"),
            user_data=text if renewed else server.spec.user_data,
        ),
    )


async def _adjust(ctx: Context, server: Server) -> Server:
    """Everything that a running server can take; its image and boot script stay."""
    kept = server.spec
    same_nics = "nics" not in ctx.drifted and not _changed(ctx, "networks")
    wanted = replace(
        kept,
        name=name_of(ctx),
        flavor=ctx.properties["flavor"] if _changed(ctx, "flavor") else kept.flavor,
        metadata={key: str(value) for key, value in (ctx.properties.get("metadata") or {}).items()},
        nics=kept.nics if same_nics else await nics(ctx, name_of(ctx)),
        tags=tags_of(ctx),
        admin_password=(ctx.properties.get("admin_pass") if _changed(ctx, "admin_pass") else None),
    )
    return await ctx.cloud.servers.update(server.id, wanted)


async def _repower(ctx: Context, server: Server) -> Server:
    """The power state it was left in."""
    goal = str(ctx.drifted["status"])
    verb = {
        ("STOPPED", "ACTIVE"): Power.ON,
        ("SUSPENDED", "ACTIVE"): Power.RESUME,
        ("ACTIVE", "STOPPED"): Power.OFF,
    }.get((server.status.value, goal))
    if verb is None:
        return server
    await ctx.cloud.servers.power(server.id, verb)
    return await ctx.cloud.servers.get(server.id)


DEEDS = {"rebuild": _rebuild, "adjust": _adjust, "power": _repower}
SUSPENDED = "suspended"
"""Noted of a server while its stack keeps it suspended."""
SETTLED = {ObjectStatus.ACTIVE, ObjectStatus.STOPPED, ObjectStatus.SUSPENDED}
"""States in which the next deed of an update may follow."""


# --- the rest --------------------------------------------------------------------------------


async def look_after(ctx: Context) -> Outcome:
    """It is there and in order. Of one that another made, its maker's token is noted."""
    outcome = await generic.check(BLUEPRINT, ctx)
    if isinstance(outcome, Failed) and ctx.ref.data.get(SUSPENDED):
        # Heat calls that failed, and its next update replaces a server that was only asleep.
        server = await look(BLUEPRINT, ctx)
        asleep = server is not None and server.status is ObjectStatus.SUSPENDED
        return Done() if asleep else outcome
    if not isinstance(outcome, Done) or MADE_BY in ctx.ref.data:
        return outcome
    server = await look(BLUEPRINT, ctx)
    if server is None or server.token in {"", ctx.ref.token}:
        return outcome
    return replace(outcome, data={**ctx.ref.data, MADE_BY: server.token})


async def delete(ctx: Context) -> Outcome:
    """The server, then the ports that were made for it."""
    outcome = await generic.delete(BLUEPRINT, ctx)
    if not isinstance(outcome, Done):
        return outcome
    left = await drop_ports(ctx)
    return outcome if left is None else Wait(reason=left)


async def _power(ctx: Context, verb: Power, start: ObjectStatus, goal: ObjectStatus) -> Outcome:
    """Bring it from one power state to another; a server its owner stopped is left alone."""
    server = await look(BLUEPRINT, ctx)
    if server is None:
        return await generic.check(BLUEPRINT, ctx)
    if server.status is start:
        await ctx.cloud.servers.power(server.id, verb)
        server = await ctx.cloud.servers.get(server.id)
    match server.status:
        case ObjectStatus.ERROR | ObjectStatus.DELETING:
            return Failed(reason=f"server is {server.status}: {server.fault}".rstrip(": "))
        case ObjectStatus.STOPPED:
            return Done(note="The server is stopped; it is left as it is.")
        case status if status is goal:
            return Done()
        case status:
            return Wait(reason=f"server is {status}")


async def suspend(ctx: Context) -> Outcome:
    """Freeze it."""
    outcome = await _power(ctx, Power.SUSPEND, ObjectStatus.ACTIVE, ObjectStatus.SUSPENDED)
    return _noted(ctx, outcome, suspended=True)


async def resume(ctx: Context) -> Outcome:
    """Let it go on."""
    outcome = await _power(ctx, Power.RESUME, ObjectStatus.SUSPENDED, ObjectStatus.ACTIVE)
    return _noted(ctx, outcome, suspended=False)


def _noted(ctx: Context, outcome: Outcome, *, suspended: bool) -> Outcome:
    """A check has to know in which state the server should be."""
    if not isinstance(outcome, Done):
        return outcome
    data = {name: value for name, value in ctx.ref.data.items() if name != SUSPENDED}
    return replace(outcome, data={**data, SUSPENDED: True} if suspended else data)


KEEPER: Keeper[ServerImageSpec, ServerImage, Server] = Keeper(
    noun="image",
    key="snapshot_image_id",
    collection=lambda session: session.server_images,
    spec=lambda name, server: ServerImageSpec(name=name, server_id=server.id),
)


async def restore(ctx: Context) -> Outcome:
    """Rebuilt from the image that the snapshot made of it; its addresses and volumes stay."""
    server = await look(BLUEPRINT, ctx)
    image_id = ctx.kept.get(KEEPER.key)
    if server is None or image_id is None:
        return await generic.check(BLUEPRINT, ctx)
    if not generic.sent(ctx):
        server = await ctx.cloud.servers.rebuild(server.id, replace(server.spec, image=image_id))
    return progress(BLUEPRINT, server, data=generic.marked(ctx))


TYPE: ResourceType = replace(
    cloud_object(BLUEPRINT),
    hands_account=functools.partial(hands_account, "OS::Nova::Server"),
    check=look_after,
    update=update,
    delete=delete,
    suspend=suspend,
    resume=resume,
    snapshot=snapshot_of(KEEPER, BLUEPRINT),
    restore=restore,
    forget=forget_by(KEEPER),
)
