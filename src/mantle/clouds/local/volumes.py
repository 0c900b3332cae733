"""Volumes are folders; attaching one moves it into its server.

An attached volume is the folder `volumes/<name>` of the server's HOME, `<name>` being the last part
of the device name (`/dev/vdb` → `volumes/vdb`). A move within one file system is atomic, works on
a running server in every isolation tier, and lets exactly one server see the volume. The size is
recorded, not enforced.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.flavors import check_image
from mantle.clouds.local.shelf import Entry, Nothing
from mantle.clouds.local.state import AttachmentNotes
from mantle.clouds.ports import (
    Clash,
    Missing,
    ObjectStatus,
    Refused,
    Volume,
    VolumeAttachment,
    VolumeAttachmentSpec,
    VolumeSpec,
)
from mantle.model.ids import Token

VOLUME_TYPES = (None, "", "local")
ZONES = (None, "", "nova", "local")

VolumeEntry = Entry[Volume, Nothing]
AttachmentEntry = Entry[VolumeAttachment, AttachmentNotes]


class Volumes(LocalCollection[VolumeSpec, Volume, Nothing]):
    """Volumes of one project."""

    kind = "volume"

    def folder(self, volume_id: str) -> Path:
        """Where a volume lies while it is not attached."""
        return self._project.folder / "disks" / volume_id

    def _where(self, volume_id: str) -> Path:
        attachment = self._project.attachments.get(volume_id)
        if attachment is not None:
            inside = inside_server(self._project.folder, attachment)
            if inside.is_dir():
                return inside
        return self.folder(volume_id)

    def _make(self, spec: VolumeSpec, token: Token) -> VolumeEntry:
        self._check(spec)
        object_id, now = self._new()
        target = self.folder(object_id)
        target.parent.mkdir(parents=True, exist_ok=True)
        if spec.source_volume_id is not None:
            source = self._where(spec.source_volume_id)
            shutil.copytree(source, target, symlinks=True)
        else:
            target.mkdir()
        volume = Volume(id=object_id, name=spec.name, token=token, created_at=now, spec=spec)
        return Entry(replace(volume, bootable=spec.image is not None), Nothing())

    def _check(self, spec: VolumeSpec) -> None:
        if spec.size_gib < 1:
            raise Refused(f"A volume has at least 1 GiB, not {spec.size_gib}.")
        check_image(spec.image)
        if spec.availability_zone not in ZONES:
            raise Refused(
                f"The local cloud has no zone {spec.availability_zone!r}.",
                remedy="Leave availability_zone out.",
            )
        if spec.volume_type not in VOLUME_TYPES:
            raise Refused(
                f"The local cloud has no volume type {spec.volume_type!r}.",
                remedy="Leave volume_type out, or use `local`.",
            )
        if spec.snapshot_id is not None:
            raise Refused(
                "The local cloud keeps no volume snapshots.",
                remedy="Copy the volume itself with source_volid.",
            )
        if spec.read_only:
            raise Refused("The local cloud cannot make a volume read-only.")
        if spec.source_volume_id is not None:
            source = self._shelf.get(spec.source_volume_id)
            if source is None:
                raise Refused(f"There is no volume {spec.source_volume_id!r} in this project.")
            if source.object.spec.size_gib > spec.size_gib:
                raise Refused(
                    f"The source volume has {source.object.spec.size_gib} GiB, more than "
                    f"{spec.size_gib}."
                )

    def _change(self, entry: VolumeEntry, spec: VolumeSpec) -> VolumeEntry:
        before = entry.object.spec
        for name in ("source_volume_id", "snapshot_id", "image", "availability_zone"):
            if getattr(before, name) != getattr(spec, name):
                raise Refused(f"A volume's {name} cannot change in place.")
        if spec.size_gib < before.size_gib:
            raise Refused(
                f"A volume cannot shrink from {before.size_gib} GiB to {spec.size_gib} GiB."
            )
        if spec.volume_type not in VOLUME_TYPES or spec.read_only:
            self._check(spec)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _view(self, entry: VolumeEntry) -> Volume:
        attachment = self._project.attachments.get(entry.object.id)
        attached = (attachment.object.spec.server_id,) if attachment else ()
        return replace(entry.object, attached_to=attached, status=ObjectStatus.ACTIVE)

    def _check_unused(self, entry: VolumeEntry) -> None:
        attachment = self._project.attachments.get(entry.object.id)
        if attachment is not None:
            raise Clash(
                f"Volume {entry.object.name!r} is attached to server "
                f"{attachment.object.spec.server_id}.",
                remedy="Detach it first.",
            )

    def _let_go(self, entry: VolumeEntry) -> None:
        shutil.rmtree(self.folder(entry.object.id), ignore_errors=True)
        self._shelf.drop(entry.object.id)


class Attachments(LocalCollection[VolumeAttachmentSpec, VolumeAttachment, AttachmentNotes]):
    """Volumes inside servers. An attachment's id is its volume's."""

    kind = "volume attachment"

    def _make(self, spec: VolumeAttachmentSpec, token: Token) -> AttachmentEntry:
        if self._project.volumes.get(spec.volume_id) is None:
            raise Missing(f"There is no volume {spec.volume_id!r} in this project.")
        server = self._project.servers.get(spec.server_id)
        if server is None or server.notes.deleting:
            raise Missing(f"There is no server {spec.server_id!r} in this project.")
        other = self._shelf.get(spec.volume_id)
        if other is not None:
            raise Clash(
                f"Volume {spec.volume_id} is attached to {other.object.spec.server_id} already."
            )
        name = self._name(spec)
        attachment = VolumeAttachment(
            id=spec.volume_id,
            name=name,
            token=token,
            created_at=self._state.settings.clock.now(),
            spec=spec,
            device=f"/dev/{name}",
        )
        return Entry(attachment, AttachmentNotes(name))

    def _name(self, spec: VolumeAttachmentSpec) -> str:
        used = {
            entry.notes.name
            for entry in self._shelf
            if entry.object.spec.server_id == spec.server_id
        }
        if spec.mountpoint:
            name = spec.mountpoint.rstrip("/").rpartition("/")[2]
            if not name.replace("-", "").replace("_", "").isalnum():
                raise Refused(f"{spec.mountpoint!r} is not a device name.", remedy="Use /dev/vdb.")
            if name in used:
                raise Refused(f"The server has a volume at {spec.mountpoint} already.")
            return name
        free = (f"vd{letter}" for letter in "bcdefghijklmnopqrstuvwxyz")
        name = next((one for one in free if one not in used), "")
        if not name:
            raise Refused("The server has all the volumes it can have.")
        return name

    def _change(self, entry: AttachmentEntry, spec: VolumeAttachmentSpec) -> AttachmentEntry:
        if spec.volume_id != entry.object.spec.volume_id:
            raise Refused("An attachment's volume cannot change in place.")
        if spec == entry.object.spec:
            return entry
        self.detach(entry)
        return self._make(spec, entry.object.token)

    def _settle(self, object_id: str) -> None:
        """Move the volume to where the record says it is."""
        with self._state.lock:
            entry = self._shelf.get(object_id)
            if entry is None:
                return
            inside = inside_server(self._project.folder, entry)
            outside = self._project.folder / "disks" / object_id
            if outside.is_dir() and not inside.exists():
                inside.parent.mkdir(parents=True, exist_ok=True)
                outside.rename(inside)

    def _let_go(self, entry: AttachmentEntry) -> None:
        self.detach(entry)

    def detach(self, entry: AttachmentEntry) -> None:
        """Move the volume out, then forget the attachment; a cut between the two is repeated."""
        inside = inside_server(self._project.folder, entry)
        outside = self._project.folder / "disks" / entry.object.id
        if inside.is_dir() and not outside.exists():
            outside.parent.mkdir(parents=True, exist_ok=True)
            inside.rename(outside)
        self._shelf.drop(entry.object.id)


def inside_server(project_folder: Path, entry: AttachmentEntry) -> Path:
    """Where an attached volume lies."""
    server_id = entry.object.spec.server_id
    return project_folder / "machines" / server_id / "root" / "volumes" / entry.notes.name
