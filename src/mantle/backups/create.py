"""Takes a backup while the control plane works.

Note: two databases, one moment. On PostgreSQL both are in one database: one transaction reads all
of it as of one moment. On SQLite they are two files. The durable engine's is fixed first, then the
rows. What happened between the two moments is in the rows alone: an operation that the engine's
database does not know is performed all the same (the rows are what an engine starts from), and a
workflow whose operation has ended meanwhile claims nothing. The other way round the engine's
database could say "done" of an operation that the rows call running, and it would be lost.

The file appears under its name when all of it is on the disk. Until then it is a hidden file that
its maker has locked; one that is not locked was left by a maker that was killed, and the next
backup removes it.
"""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from mantle import __version__
from mantle.backups.contents import Author, Manifest, Summary, TableHead
from mantle.backups.frames import Prologue, Writer
from mantle.backups.places import SECRET_FILES, Places, flush_folder
from mantle.backups.sealing import BLOCK, COST, LANES, SCRYPT, BackupKey
from mantle.model.errors import MantleError
from mantle.store.database import Connection, Database
from mantle.store.dumping import (
    read_rows,
    read_tables,
    revision_in,
    shape_of,
    workflows_revision,
)
from mantle.store.migrate import known_revisions

SUFFIX = ".mantle-backup"
PARTIAL = ".partial"


class NotTaken(MantleError):
    """No backup was made, and nothing is left of the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that is on the disk."""

    path: Path
    id: str
    taken_at: float
    size: int
    """Bytes."""
    summary: Summary

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(each.rows for each in self.summary.counted if each.database != "files")


def create_backup(
    places: Places,
    folder: Path,
    key: BackupKey | None = None,
    *,
    now: float,
    random: Callable[[int], bytes],
) -> Made:
    """Write everything that Mantle knows into a new file of the folder.

    Blocks as long as that takes. Raises `NotTaken` when there is nothing to back up, when the disk
    is full, or when the database is not at this release's revision.
    """
    prologue = Prologue(id=random(16), taken_at=round(now, 3))
    if key is not None:
        prologue = Prologue(
            id=prologue.id,
            taken_at=prologue.taken_at,
            lock=SCRYPT,
            cost=COST,
            block=BLOCK,
            lanes=LANES,
            salt=random(16),
        )
    name = name_of(prologue)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        remove_abandoned(folder)
        with _new_file(folder / name) as file, _moment(places) as (rows, workflows):
            writer = Writer(file, prologue, key)
            summary = _write(places, writer, rows, workflows, prologue, sealed=key is not None)
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise NotTaken(
            f"The backup could not be written to {folder}: {error.strerror}.",
            remedy="Make room there, or give another folder." if full else "",
        ) from error
    return Made(
        path=folder / name,
        id=prologue.id.hex(),
        taken_at=prologue.taken_at,
        size=writer.written,
        summary=summary,
    )


def name_of(prologue: Prologue) -> str:
    """`mantle-20261121T113400Z-1f3c9a2b.mantle-backup`: in the order they were taken."""
    when = datetime.fromtimestamp(prologue.taken_at, UTC)
    return f"mantle-{when:%Y%m%dT%H%M%SZ}-{prologue.id.hex()[:8]}{SUFFIX}"


def _write(
    places: Places,
    writer: Writer,
    rows: Connection,
    workflows: Connection | None,
    prologue: Prologue,
    *,
    sealed: bool,
) -> Summary:
    manifest = Manifest(
        product=__version__,
        revision=_revision(places, rows),
        workflows=None if workflows is None else workflows_revision(workflows),
        dialect=rows.dialect.name,
        taken_at=prologue.taken_at,
        host=socket.gethostname(),
    )
    author = Author(writer, manifest)
    _write_tables(author, rows, "mantle")
    if workflows is not None:
        _write_tables(author, workflows, "workflows")
    for name in SECRET_FILES if sealed else ():
        with contextlib.suppress(FileNotFoundError):
            author.file(name, places.path_of(name).read_bytes())
    return author.done()


def _write_tables(author: Author, connection: Connection, which: str) -> None:
    for table in read_tables(connection, workflows=which == "workflows"):
        shape = shape_of(table)
        head = TableHead(database=which, name=shape.name, columns=shape.columns)
        author.table(head, read_rows(connection, table, shape.columns))


def _revision(places: Places, rows: Connection) -> str:
    there, known = revision_in(rows), known_revisions()
    if there == known[0]:
        return there
    older = there in known
    raise NotTaken(
        f"{places.told} is at revision {there or 'none'}, and this Mantle is of {known[0]}.",
        remedy="Run `mantle migrate` first." if older else "Use the Mantle that works on it.",
    )


@contextlib.contextmanager
def _moment(places: Places) -> Iterator[tuple[Connection, Connection | None]]:
    """Both databases as of one moment; see the module's note."""
    if places.database is None and not places.rows.exists():
        raise NotTaken(f"There is nothing to back up: {places.rows} is not there.")
    with contextlib.ExitStack() as stack:
        workflows = None
        if places.database is None and places.workflows.exists():
            engine = Database.at(places.workflows)
            stack.callback(engine.close)
            workflows = stack.enter_context(engine.moment())
        database = places.open_rows()
        stack.callback(database.close)
        rows = stack.enter_context(database.moment())
        if places.database is not None and workflows_revision(rows) is not None:
            workflows = rows
        yield rows, workflows


@contextlib.contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file that has its name when it is whole and on the disk, and else is not there."""
    hidden = path.with_name(f".{path.name}{PARTIAL}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(hidden, flags, 0o600), "wb") as file:  # noqa: PTH123 - a descriptor
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.fsync(file.fileno())
            hidden.rename(path)
            flush_folder(path.parent)
        except BaseException:
            hidden.unlink(missing_ok=True)
            raise


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove what makers that were killed have left."""
    found = [each for each in folder.glob(f".*{SUFFIX}{PARTIAL}") if is_abandoned(each)]
    for each in found:
        each.unlink(missing_ok=True)
    return found


def is_abandoned(partial: Path) -> bool:
    """Whether nobody writes it any more."""
    try:
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return False
    return True
