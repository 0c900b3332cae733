"""Snapshots, backups and server images: folders beside, copied from what is in use.

The record is written first and says `not made yet`; the copy is made outside the lock, under a
name of its own until it is whole. Whoever asks after a crash has it made again. Until then what is
copied cannot be deleted.
"""

import threading
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from mantle.clouds.local.collection import LocalCollection
from mantle.clouds.local.copying import UNFINISHED, copy_whole, discard
from mantle.clouds.local.flavors import check_image
from mantle.clouds.local.shelf import Entry
from mantle.clouds.local.state import CopyNotes, Project
from mantle.clouds.ports import (
    Clash,
    CloudObject,
    Missing,
    ObjectStatus,
    Refused,
    ServerImage,
    ServerImageSpec,
    Volume,
    VolumeBackup,
    VolumeBackupSpec,
    VolumeSnapshot,
    VolumeSnapshotSpec,
)
from mantle.model.ids import Token

SpecT = TypeVar("SpecT")
ObjectT = TypeVar("ObjectT", bound=CloudObject)

NOT_IN_IMAGES = ("volumes", ".boot")
"""Of a server's own folder: volumes are not its own, and the boot script is given anew."""

# One lock per copy: two who ask for the same must not both make it.
_locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)


def kept_folder(project: Project, object_id: str) -> Path:
    """Where a copy lies."""
    return project.folder / "kept" / object_id


def check_not_copied(project: Project, source_id: str, noun: str) -> None:
    """Raise `Clash` while a copy of it is being made."""
    volumes = (*project.volume_snapshots, *project.volume_backups)
    pending = [one.object.spec.volume_id for one in volumes if one.notes.pending]
    pending += [one.object.spec.server_id for one in project.server_images if one.notes.pending]
    if source_id in pending:
        raise Clash(f"A copy of {noun} {source_id} is being made.", remedy="Wait for its end.")


class Copies(LocalCollection[SpecT, ObjectT, CopyNotes], Generic[SpecT, ObjectT]):
    """What the three kinds have in common."""

    source = "volume"
    without: Collection[str] = ()

    def recover(self) -> None:
        """Make what a crash left unmade."""
        for entry in self._shelf:
            self._settle(entry.object.id)

    def get_now(self, object_id: str) -> ObjectT:
        """As it is; what was begun and cut short is taken up again."""
        entry = self.entry(object_id)
        if not entry.notes.made:
            self._settle(object_id)
            entry = self.entry(object_id)
        return self._view(entry)

    def _folder(self, kept: ObjectT) -> Path:
        """What is to be copied."""
        raise NotImplementedError

    def _view(self, entry: Entry[ObjectT, CopyNotes]) -> ObjectT:
        notes = entry.notes
        if notes.fault:
            return replace(entry.object, status=ObjectStatus.ERROR, fault=notes.fault)
        if not notes.made:
            return replace(entry.object, status=ObjectStatus.BUILDING)
        return replace(entry.object, status=ObjectStatus.ACTIVE)

    def _settle(self, object_id: str) -> None:
        with _locks[object_id]:
            entry = self._shelf.get(object_id)
            if entry is None or entry.notes.made or entry.notes.fault:
                return
            target = kept_folder(self._project, object_id)
            fault = ""
            try:
                if not target.is_dir():
                    copy_whole(self._folder(entry.object), target, self.without)
            except OSError as problem:
                discard(target.with_name(target.name + UNFINISHED))
                fault = f"The {self.source} could not be copied: {problem}."
            with self._state.lock:
                self._keep(entry, CopyNotes(made=not fault, fault=fault))

    def _let_go(self, entry: Entry[ObjectT, CopyNotes]) -> None:
        target = kept_folder(self._project, entry.object.id)
        discard(target)
        discard(target.with_name(target.name + UNFINISHED))
        self._shelf.drop(entry.object.id)

    def delete_now(self, object_id: str) -> None:
        """Let it go; one that is being made is waited for."""
        self.entry(object_id)
        with _locks[object_id]:
            super().delete_now(object_id)

    def _fixed(self, *, same: bool) -> None:
        if not same:
            raise Refused(f"What a {self.kind} holds cannot change.")

    def _original(self, volume_id: str) -> Volume:
        """The volume that is to be copied."""
        volume = self._project.volumes.get(volume_id)
        if volume is None:
            raise Missing(f"There is no volume {volume_id!r} in this project.")
        if not volume.notes.made or volume.notes.restoring:
            raise Clash(f"Volume {volume_id} is not ready yet.", remedy="Wait for it.")
        return volume.object

    def _check_volumes(self, object_id: str) -> None:
        """No volume is just being filled from it."""
        for volume in self._project.volumes:
            spec, notes = volume.object.spec, volume.notes
            sources = (spec.snapshot_id, spec.backup_id, spec.image) if not notes.made else ()
            if object_id in (*sources, notes.restoring) and not notes.fault:
                raise Clash(f"Volume {volume.object.id} is being made from it.")


class VolumeSnapshots(Copies[VolumeSnapshotSpec, VolumeSnapshot]):
    """Snapshots; their volumes cannot go while they exist."""

    kind = "volume snapshot"

    def _make(self, spec: VolumeSnapshotSpec, token: Token) -> Entry[VolumeSnapshot, CopyNotes]:
        size = self._original(spec.volume_id).spec.size_gib
        object_id, now = self._new()
        kept = VolumeSnapshot(
            id=object_id, name=spec.name, token=token, created_at=now, spec=spec, size_gib=size
        )
        return Entry(kept, CopyNotes(made=False))

    def _change(
        self, entry: Entry[VolumeSnapshot, CopyNotes], spec: VolumeSnapshotSpec
    ) -> Entry[VolumeSnapshot, CopyNotes]:
        self._fixed(same=spec.volume_id == entry.object.spec.volume_id)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _folder(self, kept: VolumeSnapshot) -> Path:
        return volume_place(self._project, kept.spec.volume_id)

    def _check_unused(self, entry: Entry[VolumeSnapshot, CopyNotes]) -> None:
        self._check_volumes(entry.object.id)


class VolumeBackups(Copies[VolumeBackupSpec, VolumeBackup]):
    """Backups; they outlive their volumes."""

    kind = "volume backup"

    def _make(self, spec: VolumeBackupSpec, token: Token) -> Entry[VolumeBackup, CopyNotes]:
        size = self._original(spec.volume_id).spec.size_gib
        object_id, now = self._new()
        kept = VolumeBackup(
            id=object_id, name=spec.name, token=token, created_at=now, spec=spec, size_gib=size
        )
        return Entry(kept, CopyNotes(made=False))

    def _change(
        self, entry: Entry[VolumeBackup, CopyNotes], spec: VolumeBackupSpec
    ) -> Entry[VolumeBackup, CopyNotes]:
        self._fixed(same=spec.volume_id == entry.object.spec.volume_id)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _folder(self, kept: VolumeBackup) -> Path:
        return volume_place(self._project, kept.spec.volume_id)

    def _check_unused(self, entry: Entry[VolumeBackup, CopyNotes]) -> None:
        self._check_volumes(entry.object.id)


class ServerImages(Copies[ServerImageSpec, ServerImage]):
    """What servers hold in their own folders."""

    kind = "server image"
    source = "server"
    without = NOT_IN_IMAGES

    def _make(self, spec: ServerImageSpec, token: Token) -> Entry[ServerImage, CopyNotes]:
        server = self._project.servers.get(spec.server_id)
        if server is None or server.notes.deleting:
            raise Missing(f"There is no server {spec.server_id!r} in this project.")
        object_id, now = self._new()
        image = ServerImage(id=object_id, name=spec.name, token=token, created_at=now, spec=spec)
        return Entry(image, CopyNotes(made=False))

    def _change(
        self, entry: Entry[ServerImage, CopyNotes], spec: ServerImageSpec
    ) -> Entry[ServerImage, CopyNotes]:
        self._fixed(same=spec.server_id == entry.object.spec.server_id)
        return replace(entry, object=replace(entry.object, name=spec.name, spec=spec))

    def _folder(self, kept: ServerImage) -> Path:
        return self._project.folder / "machines" / kept.spec.server_id / "root"

    def _check_unused(self, entry: Entry[ServerImage, CopyNotes]) -> None:
        self._check_volumes(entry.object.id)
        for server in self._project.servers:
            names = {entry.object.id, entry.object.name}
            if server.notes.fill == server.notes.boot and server.object.spec.image in names:
                raise Clash(f"Server {server.object.id} is being made from it.")


def volume_place(project: Project, volume_id: str) -> Path:
    """Where a volume lies now: inside a server, or among the disks."""
    attachment = project.attachments.get(volume_id)
    outside = project.folder / "disks" / volume_id
    if attachment is None or outside.is_dir():
        return outside
    server_id = attachment.object.spec.server_id
    inside = project.folder / "machines" / server_id / "root" / "volumes" / attachment.notes.name
    return inside if inside.is_dir() else outside


def find_kept_image(project: Project, name_or_id: str | None) -> ServerImage | None:
    """A server image that is whole, by id or name."""
    for entry in project.server_images:
        if name_or_id in {entry.object.id, entry.object.name} and entry.notes.made:
            return entry.object
    return None


def check_bootable(project: Project, name_or_id: str | None) -> None:
    """An image of the cloud's, or a server's of this project; any other name is refused."""
    if find_kept_image(project, name_or_id) is None:
        check_image(name_or_id)
