"""OS::Cinder::VolumeAttachment: puts a volume into a server.

A volume is in one server at a time, so a change is not a replacement, which would attach before it
detaches: the old attachment goes, then the new one comes, in the same row and by the same token.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mantle.clouds.ports import Missing, ObjectStatus, VolumeAttachment, VolumeAttachmentSpec
from mantle.model.schema import TypeFacts
from mantle.resources.cloud_object import Blueprint, cloud_object, progress
from mantle.resources.kit import Context, Outcome, ResourceType, Wait
from mantle.resources.names import find_id
from mantle.resources.schemas import schema, string

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


async def attributes(_: Context, __: VolumeAttachment) -> Mapping[str, Any]:
    """None but `show`."""
    return {}


BLUEPRINT = Blueprint(
    facts=TypeFacts(schema=SCHEMA),
    noun="volume attachment",
    collection=lambda session: session.volume_attachments,
    spec=spec,
    attributes=attributes,
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
