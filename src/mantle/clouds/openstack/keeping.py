"""What is kept: snapshots and backups of volumes, images of servers. Tokens are metadata."""

from collections.abc import Sequence
from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.openstack import marks, states
from mantle.clouds.openstack.caller import Caller
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.facts import Facts
from mantle.clouds.openstack.kind import Kind, Raw, Search, differing, given
from mantle.model.ids import Token


def token_of(raw: Raw) -> Token:
    """From the metadata."""
    return Token((raw.get("metadata") or {}).get(marks.METADATA, ""))


def _base(raw: Raw) -> dict[str, Any]:
    status = states.KEPT.get(str(raw.get("status")), p.ObjectStatus.BUILDING)
    return {
        "id": raw["id"],
        "name": raw.get("name") or "",
        "token": token_of(raw),
        "status": status,
        "fault": str(raw.get("fail_reason") or "") if status is p.ObjectStatus.ERROR else "",
        "created_at": states.seconds(raw.get("created_at")),
    }


def _body(spec: Any, token: Token) -> dict[str, Any]:
    return given(
        {
            "volume_id": spec.volume_id,
            "name": spec.name,
            "description": spec.description or None,
            # Also of a volume in use: as its disk is at this moment.
            "force": True,
            "metadata": {marks.METADATA: token},
        }
    )


def _change(spec: Any, raw: Raw) -> dict[str, Any]:
    return differing({"name": spec.name, "description": spec.description or None}, raw)


def _fixed(spec: Any, raw: Raw) -> str:
    return "volume_id" if spec.volume_id != raw["volume_id"] else ""


VOLUME_SNAPSHOTS = Kind(
    name="volume_snapshots",
    noun="volume snapshot",
    service=Service.VOLUME,
    path="/snapshots",
    one="snapshot",
    many="snapshots",
    details="/detail",
    search=Search.NONE,
    body=_body,
    change=_change,
    fixed=_fixed,
    read=lambda raw: p.VolumeSnapshot(
        **_base(raw),
        spec=p.VolumeSnapshotSpec(
            name=raw.get("name") or "",
            volume_id=raw["volume_id"],
            description=raw.get("description") or "",
        ),
        size_gib=raw.get("size") or 0,
    ),
    token_of=token_of,
)

VOLUME_BACKUPS = Kind(
    name="volume_backups",
    noun="volume backup",
    service=Service.VOLUME,
    path="/backups",
    one="backup",
    many="backups",
    details="/detail",
    search=Search.NONE,
    body=_body,
    change=_change,
    fixed=_fixed,
    read=lambda raw: p.VolumeBackup(
        **_base(raw),
        spec=p.VolumeBackupSpec(
            name=raw.get("name") or "",
            volume_id=raw["volume_id"],
            description=raw.get("description") or "",
        ),
        size_gib=raw.get("size") or 0,
    ),
    token_of=token_of,
)


class ServerImages:
    """Images that Nova makes of servers; in Glance the token is a property of the image."""

    def __init__(self, caller: Caller, facts: Facts) -> None:
        self._caller = caller
        self._facts = facts

    async def create(self, spec: p.ServerImageSpec, token: Token) -> p.ServerImage:
        found = await self.find(token)
        if found is not None:
            return found
        action = {"createImage": {"name": spec.name, "metadata": {marks.METADATA: token}}}
        path = f"/servers/{spec.server_id}/action"
        answer = await self._caller.post(Service.COMPUTE, path, action)
        self._facts.images.forget()
        return await self.get(answer["image_id"])

    async def find(self, token: Token) -> p.ServerImage | None:
        found = await self._all((marks.METADATA, token))
        return found[0] if found else None

    async def get(self, object_id: str) -> p.ServerImage:
        try:
            raw = await self._caller.get(Service.IMAGE, f"/images/{object_id}")
        except (p.Missing, p.Denied, p.Refused):
            raw = {}
        if not await self._is_own(raw):
            raise p.Missing(f"There is no image {object_id!r} of a server of this project.")
        return _image(raw)

    async def list(self) -> Sequence[p.ServerImage]:
        return sorted(await self._all(), key=lambda each: each.created_at)

    async def update(self, object_id: str, spec: p.ServerImageSpec) -> p.ServerImage:
        found = await self.get(object_id)
        if spec.server_id != found.spec.server_id:
            raise p.Refused("An image is of one server for ever.", remedy="Make another.")
        return found

    async def delete(self, object_id: str) -> None:
        await self.get(object_id)
        await self._caller.delete(Service.IMAGE, f"/images/{object_id}")
        self._facts.images.forget()

    async def _all(self, *params: tuple[str, str]) -> "Images":
        owner = ("owner", (await self._caller.door()).project_id)
        answer = await self._caller.get(Service.IMAGE, "/images", owner, ("limit", "1000"), *params)
        return [_image(raw) for raw in answer["images"] if await self._is_own(raw)]

    async def _is_own(self, raw: Raw) -> bool:
        """Only those that Mantle had made: other images are nobody's server."""
        own = raw.get("owner") == (await self._caller.door()).project_id
        gone = raw.get("status") in {"deleted", "pending_delete"}
        return own and not gone and marks.METADATA in raw


Images = list[p.ServerImage]


def _image(raw: Raw) -> p.ServerImage:
    return p.ServerImage(
        id=raw["id"],
        name=raw.get("name") or "",
        token=Token(raw[marks.METADATA]),
        status=states.IMAGE.get(str(raw.get("status")), p.ObjectStatus.BUILDING),
        created_at=states.seconds(raw.get("created_at")),
        spec=p.ServerImageSpec(
            name=raw.get("name") or "", server_id=raw.get("instance_uuid") or ""
        ),
    )
