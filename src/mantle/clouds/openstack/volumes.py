"""Volumes and their attachments. Tokens stand in the volumes' metadata.

An attachment is no object that could carry a token: the volume says, before it is attached, for
which token and to which server it will be.
"""

from collections.abc import Sequence
from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.collection import RestCollection
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.facts import Facts
from mantle.clouds.openstack.kind import Kind, Raw, Search, differing, given
from mantle.model.ids import Token

CINDER, NOVA = Service.VOLUME, Service.COMPUTE
ATTACHMENT = "mantle_attachment"


def _read(raw: Raw) -> p.Volume:
    metadata = raw.get("metadata") or {}
    return p.Volume(
        id=raw["id"],
        name=raw.get("name") or "",
        token=Token(metadata.get(marks.METADATA, "")),
        status=states.VOLUME.get(str(raw.get("status")), p.ObjectStatus.BUILDING),
        fault=f"Cinder says {raw['status']}" if "error" in str(raw.get("status")) else "",
        created_at=states.seconds(raw.get("created_at")),
        spec=p.VolumeSpec(
            name=raw.get("name") or "",
            size_gib=raw["size"],
            description=raw.get("description") or "",
            volume_type=raw.get("volume_type"),
            availability_zone=raw.get("availability_zone"),
            image=(raw.get("volume_image_metadata") or {}).get("image_id"),
            snapshot_id=raw.get("snapshot_id"),
            source_volume_id=raw.get("source_volid"),
            metadata=marks.other_metadata(
                {key: value for key, value in metadata.items() if key != "readonly"}
            ),
            read_only=str(metadata.get("readonly", "")).lower() == "true",
        ),
        attached_to=tuple(each["server_id"] for each in raw.get("attachments") or ()),
        bootable=str(raw.get("bootable")).lower() == "true",
        encrypted=bool(raw.get("encrypted")),
    )


def _token_of(raw: Raw) -> Token:
    return Token((raw.get("metadata") or {}).get(marks.METADATA, ""))


VOLUMES = Kind(
    name="volumes",
    noun="volume",
    service=CINDER,
    path="/volumes",
    one="volume",
    many="volumes",
    details="/detail",
    search=Search.NONE,
    body=lambda spec, token: given(
        {
            "name": spec.name,
            "size": spec.size_gib or None,
            "description": spec.description or None,
            "volume_type": spec.volume_type,
            "availability_zone": spec.availability_zone,
            "snapshot_id": spec.snapshot_id,
            "source_volid": spec.source_volume_id,
            "backup_id": spec.backup_id,
            "metadata": {**spec.metadata, marks.METADATA: token},
        }
    ),
    change=lambda spec, raw: differing(
        {"name": spec.name, "description": spec.description or None}, raw
    ),
    read=_read,
    token_of=_token_of,
)


class Volumes(RestCollection[p.VolumeSpec, p.Volume]):
    """Volumes grow, change their type, and can be made read-only."""

    def __init__(self, kind: Kind, caller: Caller, facts: Facts) -> None:
        super().__init__(kind, caller)
        self._facts = facts

    async def make(self, spec: p.VolumeSpec, token: Token) -> Raw:
        fields = self.kind.body(spec, token)
        if spec.image is not None:
            fields["imageRef"] = await self._facts.images.id_of(spec.image)
        answer = await self.caller.post(CINDER, "/volumes", {"volume": fields})
        raw: Raw = answer["volume"]
        if spec.read_only:
            await self._act(raw["id"], {"os-update_readonly_flag": {"readonly": True}})
        return raw

    async def update(self, object_id: str, spec: p.VolumeSpec) -> p.Volume:
        raw = await self.own(object_id)
        present = _read(raw).spec
        if spec.size_gib < present.size_gib and spec.size_gib:
            raise p.Refused("A volume cannot shrink.", remedy="Have it replaced.")
        if dict(spec.metadata) != present.metadata:
            kept = {
                key: value
                for key, value in (raw.get("metadata") or {}).items()
                if key.startswith(marks.OURS) or key == "readonly"
            }
            metadata = {**spec.metadata, **kept}
            path = f"/volumes/{object_id}/metadata"
            await self.caller.put(CINDER, path, {"metadata": metadata})
        if spec.read_only != present.read_only:
            flag = {"os-update_readonly_flag": {"readonly": spec.read_only}}
            await self._act(object_id, flag)
        if spec.volume_type is not None and spec.volume_type != present.volume_type:
            retype = {"new_type": spec.volume_type, "migration_policy": "on-demand"}
            await self._act(object_id, {"os-retype": retype})
        if spec.size_gib > present.size_gib:
            await self._act(object_id, {"os-extend": {"new_size": spec.size_gib}})
        await super().update(object_id, spec)
        return await self.get(object_id)

    async def restore(self, volume_id: str, backup_id: str) -> p.Volume:
        volume = await self.own(volume_id)
        if volume.get("attachments"):
            raise p.Clash(f"Volume {volume_id} is in a server.", remedy="Detach it first.")
        backup = (await self.caller.get(CINDER, f"/backups/{backup_id}"))["backup"]
        if backup["size"] > volume["size"]:
            raise p.Refused(
                f"The backup has {backup['size']} GiB, the volume {volume['size']}.",
                remedy="Make a new volume of the backup.",
            )
        if volume["status"] != "restoring-backup":
            body = {"restore": {"volume_id": volume_id}}
            await self.caller.post(CINDER, f"/backups/{backup_id}/restore", body)
        return await self.get(volume_id)

    async def _act(self, volume_id: str, action: dict[str, Any]) -> None:
        await self.caller.post(CINDER, f"/volumes/{volume_id}/action", action)


class Attachments:
    """A volume in a server; its id is the volume's."""

    def __init__(self, caller: Caller, volumes: Volumes) -> None:
        self._caller = caller
        self._volumes = volumes

    async def create(self, spec: p.VolumeAttachmentSpec, token: Token) -> p.VolumeAttachment:
        raw = await self._volumes.own(spec.volume_id)
        if _is_attached(raw):
            found = _attachment(raw)
            if found.token == token:
                return found
            raise p.Clash(
                f"Volume {spec.volume_id} is in server {found.spec.server_id}.",
                remedy="Detach it first.",
            )
        claim = {"metadata": {ATTACHMENT: f"{token} {spec.server_id}"}}
        await self._caller.post(CINDER, f"/volumes/{spec.volume_id}/metadata", claim)
        body = given({"volumeId": spec.volume_id, "device": spec.mountpoint})
        path = f"/servers/{spec.server_id}/os-volume_attachments"
        answer = await self._caller.post(NOVA, path, {"volumeAttachment": body})
        return p.VolumeAttachment(
            id=spec.volume_id,
            name="",
            token=token,
            status=p.ObjectStatus.BUILDING,
            spec=spec,
            device=answer["volumeAttachment"].get("device") or "",
        )

    async def find(self, token: Token) -> p.VolumeAttachment | None:
        for raw in await self._volumes.raws():
            if _is_attached(raw) and _attachment(raw).token == token:
                return _attachment(raw)
        return None

    async def get(self, object_id: str) -> p.VolumeAttachment:
        return _attachment(await self._raw(object_id))

    async def list(self) -> Sequence[p.VolumeAttachment]:
        found = [_attachment(raw) for raw in await self._volumes.raws() if _is_attached(raw)]
        return sorted(found, key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: p.VolumeAttachmentSpec) -> p.VolumeAttachment:
        found = await self.get(object_id)
        if (found.spec.server_id, found.spec.volume_id) != (spec.server_id, spec.volume_id):
            raise p.Refused("An attachment cannot change.", remedy="Detach and attach anew.")
        return found

    async def delete(self, object_id: str) -> None:
        raw = await self._raw(object_id)
        if raw.get("status") == "detaching":
            return
        server_id = _attachment(raw).spec.server_id
        path = f"/servers/{server_id}/os-volume_attachments/{object_id}"
        try:
            await self._caller.delete(NOVA, path)
        except p.Refused as refused:
            raise p.Clash(refused.message, remedy="It is tried again.") from refused

    async def _raw(self, object_id: str) -> Raw:
        raw = await self._volumes.own(object_id)
        if not _is_attached(raw):
            raise p.Missing(f"Volume {object_id!r} is in no server.")
        return raw


UNDER_WAY = {
    "attaching": p.ObjectStatus.BUILDING,
    "reserved": p.ObjectStatus.BUILDING,
    "detaching": p.ObjectStatus.DELETING,
}


def _is_attached(raw: Raw) -> bool:
    return bool(raw.get("attachments")) or raw.get("status") in {"attaching", "reserved"}


def _attachment(raw: Raw) -> p.VolumeAttachment:
    claim = str((raw.get("metadata") or {}).get(ATTACHMENT, ""))
    token, _, claimed = claim.partition(" ")
    first: Raw = next(iter(raw.get("attachments") or ()), {})
    server_id = first.get("server_id") or claimed
    return p.VolumeAttachment(
        id=raw["id"],
        name="",
        token=Token(token if claimed == server_id else ""),
        status=UNDER_WAY.get(str(raw.get("status")), p.ObjectStatus.ACTIVE),
        created_at=states.seconds(first.get("attached_at") or raw.get("created_at")),
        spec=p.VolumeAttachmentSpec(
            server_id=server_id, volume_id=raw["id"], mountpoint=first.get("device")
        ),
        device=first.get("device") or "",
    )
