"""OS::Cinder::Volume: a disk that outlives servers."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from msgspec import structs

from mantle.clouds.ports import (
    Missing,
    ObjectStatus,
    Volume,
    VolumeAttachmentSpec,
    VolumeBackup,
    VolumeBackupSpec,
    VolumeSpec,
)
from mantle.model.ids import Token
from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources import cloud_object as generic
from mantle.resources.cloud_object import Blueprint, cloud_object
from mantle.resources.inverse import Peers
from mantle.resources.keeping import Keeper, forget_by, snapshot_of
from mantle.resources.kit import Context, Done, Failed, Outcome, ResourceType, Wait
from mantle.resources.names import find_object, name_of
from mantle.resources.schemas import (
    boolean,
    integer,
    mapping,
    not_offered,
    old_name,
    rules,
    schema,
    string,
)

SOURCES = ("snapshot_id", "image", "source_volid", "backup_id")

SCHEMA = schema(
    "OS::Cinder::Volume",
    "A disk that outlives servers.",
    {
        "availability_zone": string("The zone."),
        "size": integer("Gibibytes; it can grow but not shrink.", low=1, update=True),
        "snapshot_id": string("A snapshot to copy.", custom="cinder.snapshot"),
        "backup_id": string("A backup to restore.", custom="cinder.backup", update=True),
        "name": string("The name.", update=True),
        "description": string("What it is for.", update=True),
        "volume_type": string("The type.", custom="cinder.vtype", update=True),
        "metadata": mapping("Keys and texts.", default={}, update=True),
        "imageRef": old_name("image"),
        "image": string("An image to copy, by name or id.", custom="glance.image"),
        "source_volid": string("A volume to copy.", custom="cinder.volume"),
        "scheduler_hints": mapping("Hints for the scheduler."),
        "read_only": boolean("Whether it can only be read.", update=True),
        "multiattach": boolean(
            "Whether several servers may have it at once.", default=False, hidden=True
        ),
    },
    {
        "availability_zone": (Kind.STRING, "The zone."),
        "size": (Kind.STRING, "Gibibytes."),
        "snapshot_id": (Kind.STRING, "The snapshot it was copied from."),
        "display_name": (Kind.STRING, "The name."),
        "display_description": (Kind.STRING, "What it is for."),
        "volume_type": (Kind.STRING, "The type."),
        "metadata": (Kind.STRING, "JSON text: keys and texts."),
        "source_volid": (Kind.STRING, "The volume it was copied from."),
        "status": (Kind.STRING, "The state."),
        "created_at": (Kind.STRING, "When it was made."),
        "bootable": (Kind.STRING, "Whether a server can boot from it."),
        "metadata_values": (Kind.MAP, "Keys and texts."),
        "encrypted": (Kind.STRING, "Whether it is encrypted."),
        "attachments": Attribute(kind=Kind.STRING, description="JSON text: the servers it is in."),
        "attachments_list": (Kind.LIST, "The servers it is in."),
        "multiattach": (Kind.BOOLEAN, "Whether several servers may have it at once."),
    },
    takes_snapshots=True,
    begins_with="size",
)

NOT_OFFERED = {
    "scheduler_hints": "volumes are not scheduled. Leave scheduler_hints out.",
    "multiattach": "a volume is in one server at a time. Leave multiattach out.",
}


def check(properties: Mapping[str, Any]) -> list[str]:
    """The size is given or follows from the one source."""
    sources = [name for name in SOURCES if properties.get(name) is not None]
    problems = []
    if len(sources) > 1:
        problems.append(f"Only one of {', '.join(SOURCES)} may be given; {sources} are.")
    if properties.get("size") is None and sources != ["source_volid"]:
        problems.append("size: must be given, unless source_volid names a volume to copy.")
    return problems


async def spec(ctx: Context) -> VolumeSpec:
    """What to ask for. A copy without a size is as large as its source."""
    wanted = ctx.properties
    source_id, size = None, wanted.get("size")
    if wanted.get("source_volid") and not ctx.before:
        source = await find_object(
            ctx.cloud, lambda session: session.volumes, "volume", wanted["source_volid"]
        )
        source_id, size = source.id, size or source.spec.size_gib
    return VolumeSpec(
        name=name_of(ctx),
        size_gib=size or 0,
        description=wanted.get("description") or "",
        volume_type=wanted.get("volume_type"),
        availability_zone=wanted.get("availability_zone"),
        image=wanted.get("image"),
        snapshot_id=wanted.get("snapshot_id"),
        source_volume_id=source_id,
        backup_id=wanted.get("backup_id"),
        metadata={key: str(value) for key, value in (wanted.get("metadata") or {}).items()},
        read_only=bool(wanted.get("read_only")),
    )


def written(volume: Volume, _: Peers) -> Mapping[str, Any]:
    """The properties that ask for this volume."""
    spec = volume.spec
    return {
        "name": volume.name,
        "size": spec.size_gib,
        "description": spec.description or None,
        "volume_type": spec.volume_type,
        "availability_zone": spec.availability_zone,
        "image": spec.image,
        "metadata": dict(spec.metadata),
        "read_only": True if spec.read_only else None,
    }


UNREADABLE = dict.fromkeys(
    ("snapshot_id", "backup_id", "source_volid"),
    "what it was copied from may be gone, and is not asked for again",
)


async def attributes(_: Context, volume: Volume) -> Mapping[str, Any]:
    """As Cinder's, which prints several of them as text."""
    spec = volume.spec
    attached = [
        {"server_id": server_id, "id": volume.id, "volume_id": volume.id}
        for server_id in volume.attached_to
    ]
    return {
        "availability_zone": spec.availability_zone or "",
        "size": str(spec.size_gib),
        "snapshot_id": spec.snapshot_id or "",
        "display_name": volume.name,
        "display_description": spec.description,
        "volume_type": spec.volume_type or "",
        "metadata": json.dumps(dict(spec.metadata)),
        "source_volid": spec.source_volume_id or "",
        "status": _status(volume),
        "created_at": datetime.fromtimestamp(volume.created_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "bootable": str(volume.bootable).lower(),
        "metadata_values": dict(spec.metadata),
        "encrypted": str(volume.encrypted),
        "attachments": json.dumps(attached),
        "attachments_list": attached,
        "multiattach": False,
    }


def _status(volume: Volume) -> str:
    if volume.status is not ObjectStatus.ACTIVE:
        return volume.status.value.lower()
    return "in-use" if volume.attached_to else "available"


BLUEPRINT = Blueprint(
    facts=TypeFacts(schema=SCHEMA, check_properties=rules(not_offered(NOT_OFFERED), check)),
    noun="volume",
    collection=lambda session: session.volumes,
    spec=spec,
    attributes=attributes,
    written=written,
    unreadable=UNREADABLE,
    unseen=frozenset({"snapshot_id", "backup_id", "source_volume_id"}),
    remedy="Choose another size, type or source, then update the stack.",
)


async def update(ctx: Context) -> Outcome:
    """In place; sources cannot change here, and the size only grows."""
    found = await ctx.cloud.volumes.get(ctx.ref.physical_id) if ctx.ref.physical_id else None
    if found is None:
        return await generic.update(BLUEPRINT, ctx)
    filled = ctx.properties.get("backup_id")
    if filled not in {None, ctx.before.get("backup_id"), found.spec.backup_id}:
        waiting = await _filled_anew(ctx, filled)
        if waiting is not None:
            return waiting
    size = ctx.properties.get("size") or found.spec.size_gib
    if size < found.spec.size_gib:
        return Failed(
            reason=f"size: a volume cannot shrink from {found.spec.size_gib} to {size} GiB.",
            remedy="Keep the size, or make a new, smaller volume and copy what it holds.",
        )

    async def whole(inner: Context) -> VolumeSpec:
        wanted = await spec(inner)
        then = found.spec
        return replace(
            wanted,
            size_gib=size,
            source_volume_id=then.source_volume_id,
            image=then.image,
            snapshot_id=then.snapshot_id,
            backup_id=then.backup_id,
        )

    return await generic.update(replace(BLUEPRINT, spec=whole), ctx)


async def _filled_anew(ctx: Context, backup_id: str) -> Outcome | None:
    """As in Heat, another backup_id puts that backup into the volume; None once it is in."""
    if ctx.ref.data.get(FILLED) == ctx.started_at:
        return None
    outcome = await restore(structs.replace(ctx, kept={KEEPER.key: backup_id}))
    if not isinstance(outcome, Done):
        return outcome
    data = {**(outcome.data or {}), FILLED: ctx.started_at}
    return Wait(reason="volume is filled", again_after_seconds=0.0, data=data)


FILLED = "filled_for"
"""In a row's data: the `started_at` of the update phase that has put another backup in."""

KEEPER: Keeper[VolumeBackupSpec, VolumeBackup, Volume] = Keeper(
    noun="backup",
    key="backup_id",
    collection=lambda session: session.volume_backups,
    spec=lambda name, volume: VolumeBackupSpec(name=name, volume_id=volume.id),
)

RETURNING = "returning"
"""In a row's data while a backup is put back: of which phase, what the volume was attached to, and
whether the cloud has accepted the request."""


async def restore(ctx: Context) -> Outcome:
    """Out of its server, back to the backup, into the server again.

    No cloud fills a volume that is in use. What it was attached to is noted before it is detached;
    the attachment is made again with the token it had, so its own resource finds it as it was.
    """
    volume = await generic.look(BLUEPRINT, ctx)
    backup_id = ctx.kept.get(KEEPER.key)
    if volume is None or backup_id is None:
        return await generic.check(BLUEPRINT, ctx)
    note = ctx.ref.data.get(RETURNING) or {}
    data = dict(ctx.ref.data)
    if note.get("since") != ctx.started_at:
        data[RETURNING] = {"since": ctx.started_at, "from": await _attached(ctx, volume)}
        return Wait(reason="volume is taken out of use", again_after_seconds=0.0, data=data)
    if not note.get("filled"):
        if await _attached(ctx, volume):
            with suppress(Missing):
                await ctx.cloud.volume_attachments.delete(volume.id)
            return Wait(reason=f"detaching volume {volume.id}", again_after_seconds=1.0)
        await ctx.cloud.volumes.restore(volume.id, backup_id)
        data[RETURNING] = {**note, "filled": True}
        return Wait(reason="volume is filled", again_after_seconds=0.0, data=data)
    if volume.status is ObjectStatus.BUILDING:
        return Wait(reason="volume is filled")
    if volume.status is ObjectStatus.ACTIVE and note["from"]:
        waiting = await _attach_again(ctx, note["from"])
        if waiting is not None:
            return waiting
    data.pop(RETURNING, None)
    return generic.progress(BLUEPRINT, volume, data=data)


async def _attached(ctx: Context, volume: Volume) -> dict[str, Any] | None:
    """What is needed to attach it again; None when it is free."""
    try:
        found = await ctx.cloud.volume_attachments.get(volume.id)
    except Missing:
        return None
    spec = found.spec
    where = {"server_id": spec.server_id, "volume_id": volume.id, "mountpoint": spec.mountpoint}
    return {"token": found.token, "spec": where}


async def _attach_again(ctx: Context, before: Mapping[str, Any]) -> Wait | None:
    """None once it is; a server that is gone needs no volume."""
    try:
        made = await ctx.cloud.volume_attachments.create(
            VolumeAttachmentSpec(**before["spec"]), Token(before["token"])
        )
    except Missing:
        return None
    if made.status is ObjectStatus.BUILDING:
        return Wait(reason=f"attaching volume {made.id}")
    return None


TYPE: ResourceType = replace(
    cloud_object(BLUEPRINT),
    update=update,
    snapshot=snapshot_of(KEEPER, BLUEPRINT),
    restore=restore,
    forget=forget_by(KEEPER),
)
