"""Durable objects as files: one JSON file each, written whole or not at all.

The files are the truth. They are read once, when the cloud is opened, and then kept in memory;
every change is on disk before it is seen. A file is written beside its place, flushed, and moved
there, so that cutting the power leaves either the old object or the new one.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar, cast

import msgspec

from mantle.clouds.ports import CloudObject
from mantle.model.ids import Token

ObjectT = TypeVar("ObjectT", bound=CloudObject)
NotesT = TypeVar("NotesT")

UNFINISHED = ".part"


@dataclass(frozen=True, slots=True)
class Entry(Generic[ObjectT, NotesT]):
    """An object as the port shows it, and what only this cloud knows about it."""

    object: ObjectT
    notes: NotesT


@dataclass(frozen=True, slots=True)
class Nothing:
    """The notes of objects that need none."""


def write_whole(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Put `content` at `path` so that a reader, or a restart, sees all of it or none."""
    part = path.with_name(path.name + UNFINISHED)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


class Shelf(Generic[ObjectT, NotesT]):
    """The objects of one kind in one project, found by id and by token, oldest first."""

    def __init__(self, folder: Path, object_type: type[ObjectT], notes_type: type[NotesT]) -> None:
        self.folder = folder
        # The generic alias exists at run time only; the cast tells the checker what it decodes to.
        entry_type = Entry[object_type, notes_type]  # type: ignore[valid-type]
        self._decoder = msgspec.json.Decoder(cast("type[Entry[ObjectT, NotesT]]", entry_type))
        self._entries: dict[str, Entry[ObjectT, NotesT]] = {}
        self._by_token: dict[Token, str] = {}
        self._read()

    def _read(self) -> None:
        if not self.folder.is_dir():
            return
        for part in self.folder.glob(f"*{UNFINISHED}"):
            part.unlink(missing_ok=True)
        entries = [self._decoder.decode(path.read_bytes()) for path in self.folder.glob("*.json")]
        for entry in sorted(entries, key=lambda one: (one.object.created_at, one.object.id)):
            self._remember(entry)

    def _remember(self, entry: Entry[ObjectT, NotesT]) -> None:
        self._entries[entry.object.id] = entry
        self._by_token[entry.object.token] = entry.object.id

    def put(self, entry: Entry[ObjectT, NotesT]) -> Entry[ObjectT, NotesT]:
        """Make the entry durable, then visible."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self._path(entry.object.id), msgspec.json.encode(entry))
        self._remember(entry)
        return entry

    def drop(self, object_id: str) -> None:
        """Forget an object; one that is not there is already forgotten."""
        self._path(object_id).unlink(missing_ok=True)
        entry = self._entries.pop(object_id, None)
        if entry is not None:
            self._by_token.pop(entry.object.token, None)

    def get(self, object_id: str) -> Entry[ObjectT, NotesT] | None:
        """By id."""
        return self._entries.get(object_id)

    def find(self, token: Token) -> Entry[ObjectT, NotesT] | None:
        """By the token it was made with."""
        object_id = self._by_token.get(token)
        return None if object_id is None else self._entries.get(object_id)

    def __iter__(self) -> Iterator[Entry[ObjectT, NotesT]]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def _path(self, object_id: str) -> Path:
        # A key pair's id is its name, which may hold a slash or a leading dot.
        safe = object_id.encode().hex() if not object_id.replace("-", "").isalnum() else object_id
        return self.folder / f"{safe}.json"
