"""Volumes are folders; attaching one moves it into its server.

An attached volume is the folder `volumes/<name>` of the server's HOME, `<name>` being the last part
of the device name (`/dev/vdb` → `volumes/vdb`). A move within one file system is atomic, works on
a running server in every isolation tier, and lets exactly one server see the volume. The size is
recorded, not enforced.

The record of a volume is written before its folder, and says whether that is made: a crash between
the two is made up for by whoever asks next. So is one in the midst of returning to a backup, which
is a copy beside and two moves.
"""

import threading
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.copying import copy_whole, discard
from mantle.clouds.local.keeping import (
    check_bootable,
    check_not_copied,
    find_kept_image,
    kept_folder,
    volume_place,
)
from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import AttachmentNotes, VolumeNotes
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

VolumeEntry = Entry[Volume, VolumeNotes]
AttachmentEntry = Entry[VolumeAttachment, AttachmentNotes]


# One lock per volume: two who ask for the same must not both fill it.
_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


class Volumes(LocalCollection[VolumeSpec, Volume, VolumeNotes]):
    """Volumes of one project."""

    kind = "volume"

    def folder(self, volume_id: str) -> Path:
        """Where a volume lies while it is not attached."""
        return self._project.folder / "disks" / volume_id

    async def restore(self, volume_id: str, backup_id: str) -> Volume:
        return await self._state.run(self._restore_now, volume_id, backup_id)

    def recover(self) -> None:
        """Finish what a crash cut short."""
        for entry in self._shelf:
            self._settle(entry.object.id)

    def get_now(self, object_id: str) -> Volume:
        """As it is; what was begun and cut short is taken up again."""
        entry = self.entry(object_id)
        if not entry.notes.made or entry.notes.restoring:
            self._settle(object_id)
            entry = self.entry(object_id)
        return self._view(entry)

    def _make(self, spec: VolumeSpec, token: Token) -> VolumeEntry:
        self._check(spec)
        object_id, now = self._new()
        volume = Volume(id=object_id, name=spec.name, token=token, created_at=now, spec=spec)
        made = replace(volume, bootable=spec.image is not None)
        return Entry(made, VolumeNotes(made=False))

    def _settle(self, object_id: str) -> None:
        """Fill its folder, or put a backup in place of what is in it. Safe to repeat."""
        with _locks[object_id]:
            entry = self._shelf.get(object_id)
            if entry is None or entry.notes.fault:
                return
            try:
                if not entry.notes.made:
                    self._fill(entry.object)
                elif entry.notes.restoring:
                    self._exchange(object_id, entry.notes.restoring)
                else:
                    return
            except OSError as problem:
                notes = replace(entry.notes, fault=f"The volume could not be filled: {problem}.")
            else:
                notes = VolumeNotes()
            with self._state.lock:
                entry = self._shelf.get(object_id)
                if entry is not None:
                    self._keep(entry, notes)

    def _fill(self, volume: Volume) -> None:
        target = self.folder(volume.id)
        if target.is_dir():
            return
        source = self._source_of(volume.spec)
        if source is None:
            target.mkdir(parents=True)
        else:
            copy_whole(source, target)

    def _source_of(self, spec: VolumeSpec) -> Path | None:
        kept = spec.snapshot_id or spec.backup_id
        image = find_kept_image(self._project, spec.image) if spec.image else None
        if kept is None and image is not None:
            kept = image.id
        if kept is not None:
            return kept_folder(self._project, kept)
        if spec.source_volume_id is not None:
            return volume_place(self._project, spec.source_volume_id)
        return None

    def _restore_now(self, volume_id: str, backup_id: str) -> Volume:
        with self._state.lock:
            entry = self.entry(volume_id)
            backup = self._project.volume_backups.get(backup_id)
            if backup is None or not backup.notes.made:
                raise Missing(f"There is no volume backup {backup_id!r} in this project.")
            if self._project.attachments.get(volume_id) is not None:
                raise Clash(f"Volume {volume_id} is attached.", remedy="Detach it first.")
            if backup.object.size_gib > entry.object.spec.size_gib:
                raise Refused(f"Volume {volume_id} is smaller than the backup {backup_id}.")
            if not entry.notes.made:
                raise Clash(f"Volume {volume_id} is not ready yet.", remedy="Wait for it.")
            check_not_copied(self._project, volume_id, "volume")
            self._keep(entry, replace(entry.notes, restoring=backup_id, fault=""))
        self._settle(volume_id)
        return self.get_now(volume_id)

    def _exchange(self, volume_id: str, backup_id: str) -> None:
        """A whole copy beside, then two moves; cut between them, the first branch goes on."""
        here = self.folder(volume_id)
        new, old = here.with_name(f"{volume_id}.new"), here.with_name(f"{volume_id}.old")
        if here.is_dir() or not new.is_dir():
            discard(new)
            copy_whole(kept_folder(self._project, backup_id), new)
            discard(old)
            if here.is_dir():
                here.rename(old)
        new.rename(here)
        discard(old)

    def _check(self, spec: VolumeSpec) -> None:
        self._check_kind(spec)
        check_bootable(self._project, spec.image)
        self._check_source(spec)

    def _check_kind(self, spec: VolumeSpec) -> None:
        if spec.size_gib < 1:
            raise Refused(f"A volume has at least 1 GiB, not {spec.size_gib}.")
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
        if spec.read_only:
            raise Refused("The local cloud cannot make a volume read-only.")

    def _check_source(self, spec: VolumeSpec) -> None:
        """What is to be copied is there, whole, and no larger."""
        project = self._project
        sources = (
            ("volume", self._shelf, spec.source_volume_id),
            ("volume snapshot", project.volume_snapshots, spec.snapshot_id),
            ("volume backup", project.volume_backups, spec.backup_id),
        )
        for noun, shelf, object_id in sources:
            if object_id is None:
                continue
            source = shelf.get(object_id)
            if source is None:
                raise Refused(f"There is no {noun} {object_id!r} in this project.")
            if not source.notes.made:
                raise Clash(f"The {noun} {object_id} is not ready yet.", remedy="Wait for it.")
            held = source.object
            size = held.spec.size_gib if isinstance(held, Volume) else held.size_gib
            if size > spec.size_gib:
                raise Refused(f"The {noun} has {size} GiB, more than {spec.size_gib}.")

    def _change(self, entry: VolumeEntry, spec: VolumeSpec) -> VolumeEntry:
        before = entry.object.spec
        for name in ("source_volume_id", "snapshot_id", "backup_id", "image", "availability_zone"):
            if getattr(before, name) != getattr(spec, name):
                raise Refused(f"A volume's {name} cannot change in place.")
        if spec.size_gib < before.size_gib:
            raise Refused(
                f"A volume cannot shrink from {before.size_gib} GiB to {spec.size_gib} GiB."
            )
        if spec.volume_type not in VOLUME_TYPES or spec.read_only:
            self._check_kind(spec)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _view(self, entry: VolumeEntry) -> Volume:
        attachment = self._project.attachments.get(entry.object.id)
        attached = (attachment.object.spec.server_id,) if attachment else ()
        notes = entry.notes
        status = (
            ObjectStatus.ACTIVE if notes.made and not notes.restoring else ObjectStatus.BUILDING
        )
        if notes.fault:
            status = ObjectStatus.ERROR
        return replace(entry.object, attached_to=attached, status=status, fault=notes.fault)

    def _check_unused(self, entry: VolumeEntry) -> None:
        attachment = self._project.attachments.get(entry.object.id)
        if attachment is not None:
            raise Clash(
                f"Volume {entry.object.name!r} is attached to server "
                f"{attachment.object.spec.server_id}.",
                remedy="Detach it first.",
            )
        for snapshot in self._project.volume_snapshots:
            if snapshot.object.spec.volume_id == entry.object.id:
                raise Clash(
                    f"Volume {entry.object.name!r} has the snapshot {snapshot.object.id}.",
                    remedy="Delete the snapshot first.",
                )
        check_not_copied(self._project, entry.object.id, "volume")

    def _let_go(self, entry: VolumeEntry) -> None:
        here = self.folder(entry.object.id)
        for folder in (here, *here.parent.glob(f"{here.name}.*")):
            discard(folder)
        self._shelf.drop(entry.object.id)


class Attachments(LocalCollection[VolumeAttachmentSpec, VolumeAttachment, AttachmentNotes]):
    """Volumes inside servers. An attachment's id is its volume's."""

    kind = "volume attachment"

    def _make(self, spec: VolumeAttachmentSpec, token: Token) -> AttachmentEntry:
        volume = self._project.volumes.get(spec.volume_id)
        if volume is None:
            raise Missing(f"There is no volume {spec.volume_id!r} in this project.")
        if not volume.notes.made or volume.notes.restoring:
            raise Clash(f"Volume {spec.volume_id} is not ready yet.", remedy="Wait for it.")
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
