"""What the chunks of a backup mean: a manifest, tables with rows, files, and a summary.

Rows are a stream of bytes that is cut into chunks without regard to where a row ends: each row is
its length (4 bytes) and a MessagePack list of its values. So a chunk is small however long a row
is. A table's digest is the sum, modulo 2^256, of the SHA-256 of its rows: it is the same in
whatever order a database gives them, and so tells whether two databases hold the same.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from mantle.backups.frames import MOST_PLAIN, Chunk, Damaged, Kind, Reader, Writer
from mantle.backups.sealing import BackupKey

_LENGTH = struct.Struct(">I")
MOST_ROW = 1 << 30
"""Bytes of one row; a plan of fifty thousand steps has some fifty million."""
MOST_FILE = 1 << 20

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class Manifest(msgspec.Struct, kw_only=True, frozen=True):
    """What was backed up."""

    product: str
    """Mantle's version."""
    revision: str
    """Of Mantle's tables."""
    workflows: int | None
    """Revision of the durable engine's tables; None when it had none yet."""
    dialect: str
    """Of the database it was taken from; it goes into any other as well."""
    taken_at: float
    host: str


class TableHead(msgspec.Struct, kw_only=True, frozen=True):
    """The rows that follow are of this table."""

    database: str
    """`mantle`, or `workflows` for the durable engine's."""
    name: str
    columns: tuple[str, ...]


class FileHead(msgspec.Struct, kw_only=True, frozen=True):
    """The bytes that follow are this file's; `name` is relative to the data folder."""

    name: str
    size: int


class Counted(msgspec.Struct, kw_only=True, frozen=True):
    """A table or file as a whole."""

    database: str
    name: str
    rows: int
    """Of a table; bytes of a file."""
    digest: str


class Summary(msgspec.Struct, kw_only=True, frozen=True):
    """The last chunk: what there was."""

    counted: tuple[Counted, ...]


@dataclass(slots=True)
class Sum:
    """A digest of rows that does not depend on their order."""

    rows: int = 0
    total: int = 0

    def add(self, row: bytes) -> None:
        """One more."""
        self.rows += 1
        self.total += int.from_bytes(hashlib.sha256(row).digest(), "big")

    def counted(self, head: TableHead) -> Counted:
        """As in the summary."""
        digest = f"{self.total % (1 << 256):064x}"
        return Counted(database=head.database, name=head.name, rows=self.rows, digest=digest)


def encode_row(values: Sequence[Any]) -> bytes:
    """As it is stored and summed."""
    return _encode(values)


class Author:
    """Writes the chunks of a backup in their order."""

    def __init__(self, writer: Writer, manifest: Manifest) -> None:
        self._writer = writer
        self._counted: list[Counted] = []
        writer.write(Kind.HEAD, _encode(manifest))

    def table(self, head: TableHead, rows: Iterable[Sequence[Any]]) -> Counted:
        """One table with all its rows."""
        self._writer.write(Kind.TABLE, _encode(head))
        found, pending = Sum(), bytearray()
        for values in rows:
            row = encode_row(values)
            found.add(row)
            pending += _LENGTH.pack(len(row))
            pending += row
            while len(pending) >= MOST_PLAIN:
                self._writer.write(Kind.ROWS, bytes(pending[:MOST_PLAIN]))
                del pending[:MOST_PLAIN]
        if pending:
            self._writer.write(Kind.ROWS, bytes(pending))
        self._counted.append(found.counted(head))
        return self._counted[-1]

    def file(self, name: str, content: bytes) -> None:
        """One file of the data folder."""
        self._writer.write(Kind.FILE, _encode(FileHead(name=name, size=len(content))))
        for start in range(0, len(content), MOST_PLAIN):
            self._writer.write(Kind.BYTES, content[start : start + MOST_PLAIN])
        self._counted.append(_file_counted(name, content))

    def done(self) -> Summary:
        """Nothing more follows."""
        summary = Summary(counted=tuple(self._counted))
        self._writer.write(Kind.DONE, _encode(summary))
        return summary


def _file_counted(name: str, content: bytes) -> Counted:
    digest = hashlib.sha256(content).hexdigest()
    return Counted(database="files", name=name, rows=len(content), digest=digest)


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows of the table that came last."""

    head: TableHead
    rows: list[list[Any]]


@dataclass(frozen=True, slots=True)
class File:
    """A whole file."""

    name: str
    content: bytes


Part = Manifest | TableHead | Rows | File | Summary


def read_parts(reader: Reader, key: BackupKey | None) -> Iterator[Part]:
    """The whole backup, part by part, every one checked; the summary against all before it."""
    return _Parts().read(reader.chunks(key))


@dataclass(slots=True)
class _Parts:
    """Where a reader is in a backup."""

    table: TableHead | None = None
    file: FileHead | None = None
    pending: bytearray = field(default_factory=bytearray)
    found: Sum = field(default_factory=Sum)
    counted: list[Counted] = field(default_factory=list)

    def read(self, chunks: Iterator[Chunk]) -> Iterator[Part]:
        for number, chunk in enumerate(chunks):
            if (chunk.kind is Kind.HEAD) is not (number == 0):
                raise Damaged(chunk.offset, "it does not begin with its manifest")
            match chunk.kind:
                case Kind.HEAD:
                    yield _decoded(chunk, Manifest)
                case Kind.TABLE:
                    yield from self._ended(chunk)
                    self.table = _decoded(chunk, TableHead)
                    yield self.table
                case Kind.FILE:
                    yield from self._ended(chunk)
                    self.file = _decoded(chunk, FileHead)
                    if self.file.size > MOST_FILE:
                        raise Damaged(chunk.offset, f"file {self.file.name!r} is too long")
                case Kind.ROWS:
                    yield from self._rows(chunk)
                case Kind.BYTES:
                    if self.file is None or len(self.pending) + len(chunk.plain) > self.file.size:
                        raise Damaged(chunk.offset, "these bytes are of no file")
                    self.pending += chunk.plain
                case Kind.DONE:
                    yield from self._ended(chunk)
                    summary = _decoded(chunk, Summary)
                    if list(summary.counted) != self.counted:
                        raise Damaged(chunk.offset, "it does not hold what it says at its end")
                    yield summary

    def _rows(self, chunk: Chunk) -> Iterator[Rows]:
        if self.table is None:
            raise Damaged(chunk.offset, "these rows are of no table")
        self.pending += chunk.plain
        rows, start, width = [], 0, len(self.table.columns)
        while len(self.pending) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self.pending, start)
            if length > MOST_ROW:
                raise Damaged(chunk.offset, "a row is longer than a row can be")
            end = start + _LENGTH.size + length
            if end > len(self.pending):
                break
            row = bytes(self.pending[start + _LENGTH.size : end])
            rows.append(_row(chunk, row, width))
            self.found.add(row)
            start = end
        del self.pending[:start]
        if rows:
            yield Rows(self.table, rows)

    def _ended(self, chunk: Chunk) -> Iterator[Part]:
        """What was open is complete."""
        if self.table is not None:
            if self.pending:
                raise Damaged(chunk.offset, f"the last row of {self.table.name} is not whole")
            self.counted.append(self.found.counted(self.table))
        if self.file is not None:
            content = bytes(self.pending)
            if len(content) != self.file.size:
                raise Damaged(chunk.offset, f"file {self.file.name!r} is not whole")
            self.counted.append(_file_counted(self.file.name, content))
            yield File(self.file.name, content)
        self.table = self.file = None
        self.found = Sum()
        self.pending.clear()


def _decoded(chunk: Chunk, kind: type[Any]) -> Any:
    try:
        return msgspec.msgpack.decode(chunk.plain, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Damaged(chunk.offset, f"chunk {chunk.kind.name} cannot be read") from error


def _row(chunk: Chunk, row: bytes, width: int) -> list[Any]:
    try:
        values = _decode(row)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Damaged(chunk.offset, "a row cannot be read") from error
    if len(values) != width:
        raise Damaged(chunk.offset, f"a row has {len(values)} values in place of {width}")
    return values
