"""OS::Cinder::VolumeAttachment: puts a volume into a server.

A volume is in one server at a time, so a change is not a replacement, which would attach before it
detaches: the old attachment goes, then the new one comes, in the same row and by the same token.
One that is lost is replaced all the same; as its id is the volume's, the old one goes first.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import Missing, ObjectStatus, VolumeAttachment, VolumeAttachmentSpec
from mantle.model.schema import TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object, look, progress
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context, Outcome, ResourceType, Wait
from mantle.resources.names import find_id
from mantle.resources.schemas import schema, string
from mantle.resources.unique import had_once

SCHEMA = schema(
    "OS::Cinder::VolumeAttachment",
    "Puts a volume into a server.",
    {
        "instance_uuid": string("The server's id.", required=True, update=True),
        "volume_id": string(
            "The volume, by name or id.", required=True, custom="cinder.volume", update=True
        ),
        "mountpoint": string("The device's name, such as /dev/vdb.", update=True),
    },
)


async def spec(ctx: Context) -> VolumeAttachmentSpec:
    """What to ask for."""
    wanted = ctx.properties
    return VolumeAttachmentSpec(
        server_id=wanted["instance_uuid"],
        volume_id=await find_id(
            ctx.cloud, lambda session: session.volumes, "volume", wanted["volume_id"]
        ),
        mountpoint=wanted.get("mountpoint") or None,
    )


def written(attachment: VolumeAttachment, peer: Peers) -> Mapping[str, Any]:
    """The properties that ask for this attachment."""
    spec = attachment.spec
    return {
        "instance_uuid": peer("OS::Nova::Server", spec.server_id),
        "volume_id": peer("OS::Cinder::Volume", spec.volume_id),
        "mountpoint": spec.mountpoint,
    }


async def attributes(_: Context, __: VolumeAttachment) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


BLUEPRINT = Blueprint(
    facts=TypeFacts(schema=SCHEMA, old_first=had_once("its volume", "volume_id")),
    noun="volume attachment",
    collection=lambda session: session.volume_attachments,
    spec=spec,
    attributes=attributes,
    written=written,
)


def _as_wanted(found: VolumeAttachment, wanted: VolumeAttachmentSpec) -> bool:
    """Any device name will do when none is asked for."""
    device = wanted.mountpoint or found.spec.mountpoint
    same = replace(wanted, mountpoint=device) == found.spec
    return same and found.status is not ObjectStatus.DELETING


async def update(ctx: Context) -> Outcome:
    """Detach what is not as wanted; attach what is not there. What there is tells which."""
    wanted = await spec(ctx)
    attachments = ctx.cloud.volume_attachments
    found = await attachments.find(ctx.ref.token)
    if found is None and ctx.ref.data.get("adopted"):
        # Another made it: the cloud knows it by another's token.
        found = await look(BLUEPRINT, ctx)
    if found is None:
        found = await attachments.create(wanted, ctx.ref.token)
    elif not _as_wanted(found, wanted):
        if found.status is not ObjectStatus.DELETING:
            with suppress(Missing):
                await attachments.delete(found.id)
        return Wait(reason=f"detaching volume {found.spec.volume_id}", again_after_seconds=1.0)
    elif found.status is ObjectStatus.BUILDING:
        found = await attachments.get(found.id)
    return progress(BLUEPRINT, found)


TYPE: ResourceType = replace(cloud_object(BLUEPRINT), update=update)
