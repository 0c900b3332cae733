"""Looks at backups: one from its first byte to its last, or all of a folder at a glance."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from mantle.backups.contents import Counted, Manifest, Summary, TableHead, read_parts
from mantle.backups.create import PARTIAL, SUFFIX, is_abandoned
from mantle.backups.frames import Damaged, Foreign, Prologue, Reader
from mantle.backups.sealing import BackupKey
from mantle.model.errors import NotFound


class State(StrEnum):
    """What a file in a folder of backups is."""

    WHOLE = "whole"
    """As far as can be seen at a glance: every chunk is in its place. `verify` looks at all."""
    DAMAGED = "damaged"
    WRITTEN = "being written"
    PARTIAL = "partial"
    """Left by a maker that was killed."""
    FOREIGN = "not readable here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One file of the folder."""

    path: Path
    state: State
    size: int
    taken_at: float | None = None
    encrypted: bool | None = None
    why: str = ""
    """Of what is not whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A backup in which every byte is as it was written."""

    path: Path
    size: int
    prologue: Prologue
    manifest: Manifest | None
    """None: it is encrypted, and no key was given; its contents were not looked at."""
    heads: tuple[TableHead, ...] = ()
    counted: tuple[Counted, ...] = ()


@contextlib.contextmanager
def open_backup(path: Path) -> Iterator[Reader]:
    """A reader at its beginning; `NotFound` when it is not there."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        yield Reader(file)


def verify_backup(path: Path, key: BackupKey | None = None) -> Verified:
    """Read all of it; raises `Damaged` with the offset of the first damage, `Foreign`, `WrongKey`.

    An encrypted one is checked without its key as well, but for what it holds.
    """
    with open_backup(path) as reader:
        # Damage is told before a wrong key: the chain of digests needs none.
        reader.check()
        if reader.prologue.encrypted and key is None:
            return Verified(path=path, size=reader.size, prologue=reader.prologue, manifest=None)
        manifest: Manifest | None = None
        heads: list[TableHead] = []
        counted: tuple[Counted, ...] = ()
        for part in read_parts(reader, key):
            match part:
                case Manifest():
                    manifest = part
                case TableHead():
                    heads.append(part)
                case Summary():
                    counted = part.counted
        return Verified(
            path=path,
            size=reader.size,
            prologue=reader.prologue,
            manifest=manifest,
            heads=tuple(heads),
            counted=counted,
        )


def list_backups(folder: Path) -> list[Listed]:
    """Every backup of a folder, the newest first, with what is wrong with it; fast."""
    if not folder.is_dir():
        return []
    found = [_glanced(each) for each in folder.glob(f"*{SUFFIX}") if each.is_file()]
    for each in folder.glob(f".*{SUFFIX}{PARTIAL}"):
        left = is_abandoned(each)
        found.append(
            Listed(
                path=each,
                state=State.PARTIAL if left else State.WRITTEN,
                size=each.stat().st_size if each.exists() else 0,
                why="its maker was killed; the next backup removes it" if left else "",
            )
        )
    return sorted(found, key=lambda each: (each.taken_at or 0.0, each.path.name), reverse=True)


def _glanced(path: Path) -> Listed:
    size = path.stat().st_size
    try:
        with open_backup(path) as reader:
            at, encrypted = reader.prologue.taken_at, reader.prologue.encrypted
            try:
                reader.glance()
            except Damaged as error:
                state, why = State.DAMAGED, error.message
            else:
                state, why = State.WHOLE, ""
    except Damaged as error:
        return Listed(path=path, state=State.DAMAGED, size=size, why=error.message)
    except (Foreign, NotFound) as error:
        return Listed(path=path, state=State.FOREIGN, size=size, why=error.message)
    return Listed(path=path, state=state, size=size, taken_at=at, encrypted=encrypted, why=why)
