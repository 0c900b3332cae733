"""Puts a backup into an empty database; what comes up from it waits until somebody has looked.

All of the file is checked before anything is written, and read a second time while it is written.
On PostgreSQL everything is one transaction. On SQLite the databases are made in a folder beside and
get their names when they are on the disk, Mantle's rows last: until then the data folder is as
empty as it was. Before that, what was written is read back and compared with the backup's digests.

The durable engine's database is put back as it was, but for what was under way: those workflows are
over. The operations themselves go on from the rows, as new attempts (`store/held.py`).
"""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mantle.backups.check import Verified, open_backup, verify_backup
from mantle.backups.contents import (
    Counted,
    File,
    Manifest,
    Rows,
    Sum,
    TableHead,
    encode_row,
    read_parts,
)
from mantle.backups.places import SECRET_FILES, Places, flush_folder
from mantle.backups.sealing import BackupKey, WrongKey
from mantle.engine.runtime import prepare_workflows
from mantle.model.errors import Conflict, MantleError
from mantle.store import dumping, held
from mantle.store.database import Connection, Database
from mantle.store.held import Hold
from mantle.store.migrate import known_revisions, upgrade_from


class NotRestored(MantleError):
    """The backup cannot go there; nothing was changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What was put back."""

    manifest: Manifest
    hold: Hold
    tables: int
    rows: int
    revision: str
    """Of the tables now."""
    files: tuple[str, ...]
    """Of the data folder, as names."""
    missing: tuple[str, ...]
    """Files that the backup does not hold and that are not there: they have to be brought."""


def restore_backup(path: Path, places: Places, key: BackupKey | None, *, now: float) -> Restored:
    """Fill an empty database, and an empty data folder, from a backup.

    Raises `Conflict` when there is something already, `NotRestored` for a backup that a newer
    Mantle has made, and what `verify_backup` raises.
    """
    verified = verify_backup(path, key)
    manifest = verified.manifest
    if manifest is None:
        raise WrongKey(
            "The backup is encrypted.", remedy="Give the key file it was made with: --key-file."
        )
    if manifest.revision not in known_revisions():
        raise NotRestored(
            f"The backup is of Mantle {manifest.product} with tables of revision "
            f"{manifest.revision}; this Mantle knows revisions up to {known_revisions()[0]}.",
            remedy="Restore it with that Mantle, or a newer one.",
        )
    refuse_occupied(places)
    task = _Task(verified, manifest, places, key, now)
    try:
        return task.into_postgresql() if places.database else task.into_files()
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        raise NotRestored(
            f"The backup could not be written: {error.strerror}.",
            remedy="Make room there." if full else "",
        ) from error


def refuse_occupied(places: Places) -> None:
    """Raise `Conflict` that names what there is."""
    found: Mapping[str, int] = {}
    if places.database is not None or places.rows.exists():
        database = places.open_rows()
        try:
            with database.moment() as connection:
                found = dumping.occupied(connection)
        finally:
            database.close()
    if found:
        told = ", ".join(f"{name} ({count:,})" for name, count in found.items())
        raise Conflict(
            f"{places.told} is not empty. It holds rows of: {told}.",
            remedy="A backup goes into an empty database only: name another --data-dir or "
            "--database.",
        )
    there = [name for name in SECRET_FILES if (places.data_dir / name).exists()]
    # A key file that was brought, as the backup has none, is what the restored secrets need.
    if there == ["clouds.yaml"] and places.database is None:
        raise Conflict(
            f"{places.data_dir} is not empty. It holds: {', '.join(there)}.",
            remedy="A backup goes into an empty data folder only: name another --data-dir. To keep "
            "these passwords, put the file there after the restore.",
        )


@dataclass(slots=True)
class _Task:
    """One restore of a backup that was verified."""

    verified: Verified
    manifest: Manifest
    places: Places
    key: BackupKey | None
    now: float

    def into_postgresql(self) -> Restored:
        """All of it in one transaction."""
        assert self.places.database is not None
        if self.manifest.workflows is not None:
            prepare_workflows(self.places.database)
        database = self.places.open_rows()
        try:
            with database.engine.begin() as connection:
                dumping.take_turn(connection)
                if found := dumping.occupied(connection):
                    raise Conflict(f"{self.places.told} is not empty: {', '.join(found)}.")
                restored, files = self._filled(connection, connection)
                self._write_files(files)
        finally:
            database.close()
        return restored

    def into_files(self) -> Restored:
        """Beside, then under their names; the rows' file last."""
        self.places.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for left in self.places.data_dir.glob(".restoring-*"):
            # The caller has locked the data folder: who made it was killed.
            shutil.rmtree(left, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=".restoring-", dir=self.places.data_dir))
        beside = Places(data_dir=folder)
        try:
            with contextlib.ExitStack() as stack:
                workflows = None
                if self.manifest.workflows is not None:
                    prepare_workflows(beside.workflows)
                    workflows = stack.enter_context(_writing(beside.workflows))
                rows = stack.enter_context(_writing(beside.rows))
                restored, files = self._filled(rows, workflows)
            self._write_files(files)
            _put(beside.workflows, self.places.workflows)
            _put(beside.rows, self.places.rows)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return restored

    def _filled(
        self, rows: Connection, workflows: Connection | None
    ) -> tuple[Restored, Sequence[File]]:
        target = _Target(rows, workflows, self.verified.heads)
        files = target.fill(self.verified.path, self.key)
        for counted in self.verified.counted:
            target.compare(counted)
        revision = upgrade_from(rows, self.manifest.revision)
        dumping.advance_sequences(rows)
        target.end_workflows()
        hold = held.hold(
            rows,
            Hold(
                backup=self.verified.prologue.id.hex(),
                taken_at=self.manifest.taken_at,
                restored_at=self.now,
                product=self.manifest.product,
                operations=0,
            ),
        )
        names = {each.name for each in files}
        tables = [each for each in self.verified.counted if each.database == "mantle"]
        return Restored(
            manifest=self.manifest,
            hold=hold,
            tables=len(tables),
            rows=sum(each.rows for each in tables),
            revision=revision,
            files=tuple(sorted(names)),
            missing=tuple(
                name
                for name in SECRET_FILES
                if name not in names and not self.places.path_of(name).exists()
            ),
        ), files

    def _write_files(self, files: Sequence[File]) -> None:
        self.places.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        for each in files:
            # The names are a list of ours: what else a backup calls a file is written nowhere.
            if each.name not in SECRET_FILES:
                raise NotRestored(f"A backup holds no file {each.name!r}.")
            path = self.places.path_of(each.name)
            if path.exists():
                continue
            beside = path.with_name(f".{each.name}.restoring")
            beside.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with open(os.open(beside, flags, 0o600), "wb") as file:  # noqa: PTH123
                file.write(each.content)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(path)
            flush_folder(path.parent)


class _Target:
    """The tables that are filled."""

    def __init__(
        self, rows: Connection, workflows: Connection | None, heads: Sequence[TableHead]
    ) -> None:
        self._connections = {"mantle": rows, "workflows": workflows}
        self._heads = {(each.database, each.name): each for each in heads}
        shapes = [
            dumping.Shape(each.name, each.columns) for each in heads if each.database == "mantle"
        ]
        made = dumping.make_tables(rows, shapes)
        self._tables = {("mantle", name): table for name, table in made.items()}
        if workflows is not None:
            theirs = dumping.workflow_tables(workflows)
            self._tables |= {("workflows", name): table for name, table in theirs.items()}

    def fill(self, path: Path, key: BackupKey | None) -> list[File]:
        """Put all rows in; the answer is the files."""
        files = []
        with open_backup(path) as reader:
            for part in read_parts(reader, key):
                match part:
                    case Rows(head=head, rows=rows):
                        connection, table = self._of(head.database, head.name)
                        dumping.fill(connection, table, head.columns, rows)
                    case File():
                        files.append(part)
        return files

    def compare(self, counted: Counted) -> None:
        """What was written is what is in the backup."""
        if counted.database == "files" or not counted.rows:
            return
        connection, table = self._of(counted.database, counted.name)
        head = self._heads[counted.database, counted.name]
        found = Sum()
        for row in dumping.read_rows(connection, table, head.columns):
            found.add(encode_row(row))
        # The durable engine's own types differ between databases; that all are there does not.
        same = found.counted(head) == counted
        if not same and (counted.database == "mantle" or found.rows != counted.rows):
            raise NotRestored(
                f"Table {counted.name!r} does not come back from the database as it was written."
            )

    def end_workflows(self) -> None:
        """What was under way there is over."""
        connection = self._connections["workflows"]
        table = self._tables.get(("workflows", "workflow_status"))
        if connection is not None and table is not None:
            dumping.end_workflows(connection, table)

    def _of(self, database: str, name: str) -> tuple[Connection, dumping.Table]:
        connection = self._connections.get(database)
        table = self._tables.get((database, name))
        if connection is None or table is None:
            raise NotRestored(f"This release has no table {name!r} to put rows in.")
        return connection, table


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[Connection]:
    """One transaction on a new SQLite file, which is on the disk when the context has ended."""
    database = Database.at(path)
    try:
        with database.engine.begin() as connection:
            yield connection
    finally:
        # The last connection that is closed brings all of it into the one file.
        database.close()
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _put(source: Path, target: Path) -> None:
    """Give a file its name; an empty database that has it goes, with what belongs to it."""
    if not source.exists():
        return
    for ending in ("-wal", "-shm"):
        target.with_name(target.name + ending).unlink(missing_ok=True)
    source.chmod(0o600)
    source.rename(target)
    flush_folder(target.parent)
