"""The file of a backup: a prologue, then chunks that are chained to each other.

    prologue   96 bytes: who made it, how it is encrypted, when; ends with its own SHA-256
    chunk      60 bytes of header, then its body
      header   kind (4), number from 0 (8), bytes stored (4), bytes before compression (4),
               nothing (4), CRC-32 of these 24 (4), SHA-256 (32) of: the SHA-256 of what is before
               it (prologue or chunk), the 28 bytes, the body
      body     zlib; encrypted when the prologue says so
    ...        the last chunk is of kind DONE, and nothing follows it

The chain tells a byte that was changed, a chunk that was left out, put twice or brought from
another backup; the CRC tells a header that was changed from a file that ends too early. All numbers
are big-endian. A reader holds one chunk, whatever a header says: both sizes are bounded.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO

from mantle.backups.sealing import BackupKey, Seal, WrongKey, seal_of
from mantle.model.errors import MantleError

MAGIC = b"\x89MANTLE\n"
VERSION = 1
"""Of the format. A reader refuses what is newer."""

_PROLOGUE = struct.Struct(">8sHBBBB2x16s16sQ8x")
_HEADER = struct.Struct(">4sQII4x")
_CRC = struct.Struct(">I")
DIGEST = 32
PROLOGUE = _PROLOGUE.size + DIGEST
HEADER = _HEADER.size + _CRC.size + DIGEST

MOST_PLAIN = 1 << 20
"""Bytes in a chunk before compression."""
MOST_STORED = MOST_PLAIN + (1 << 16)
"""Bytes of a chunk in the file: what does not compress grows a little."""


class Damaged(MantleError):
    """The file is not what was written; `offset` is where the first damage begins, in bytes."""

    def __init__(self, offset: int, what: str, until: int | None = None) -> None:
        where = (
            f"at byte {offset:,}" if until is None else f"between bytes {offset:,} and {until:,}"
        )
        super().__init__(
            f"The backup is damaged {where}: {what}.",
            remedy="Nothing was read from it. Take another backup or another copy of this one.",
        )
        self.offset = offset


class Foreign(MantleError):
    """The file is no backup at all, or one that a newer Mantle has made."""


class Kind(Enum):
    """What a chunk is."""

    HEAD = b"HEAD"
    TABLE = b"TABL"
    ROWS = b"ROWS"
    FILE = b"FILE"
    BYTES = b"BYTE"
    DONE = b"DONE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prologue:
    """What can be read without a key."""

    id: bytes
    """Sixteen random bytes: which backup it is."""
    taken_at: float
    """Seconds since the epoch, to the millisecond."""
    lock: int = 0
    """0: anybody can read it; 1: encrypted under a key file, by scrypt."""
    cost: int = 0
    """Of scrypt: log2 N, r and p."""
    block: int = 0
    lanes: int = 0
    salt: bytes = bytes(16)

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed."""
        return self.lock != 0

    def packed(self) -> bytes:
        """As in the file."""
        body = _PROLOGUE.pack(
            MAGIC,
            VERSION,
            self.lock,
            self.cost,
            self.block,
            self.lanes,
            self.salt,
            self.id,
            round(self.taken_at * 1000),
        )
        return body + hashlib.sha256(body).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One chunk as it was written."""

    kind: Kind
    plain: bytes
    offset: int
    """Where it begins in the file."""


class Writer:
    """Writes chunks, one after the other."""

    def __init__(self, file: BinaryIO, prologue: Prologue, key: BackupKey | None = None) -> None:
        head = prologue.packed()
        self._file = file
        self._seal = _seal(prologue, key)
        self._before = head[-DIGEST:]
        self._number = 0
        self.written = file.write(head)

    def write(self, kind: Kind, plain: bytes) -> None:
        """Append one chunk of at most `MOST_PLAIN` bytes."""
        assert len(plain) <= MOST_PLAIN, "the caller cuts"
        body = zlib.compress(plain, 6)
        stored = len(body) + (self._seal.overhead if self._seal else 0)
        fields = _HEADER.pack(kind.value, self._number, stored, len(plain))
        fields += _CRC.pack(zlib.crc32(fields))
        if self._seal is not None:
            body = self._seal.close(self._number, fields, body)
        self._before = hashlib.sha256(self._before + fields + body).digest()
        self.written += self._file.write(fields + self._before + body)
        self._number += 1


@dataclass(frozen=True, slots=True)
class _Header:
    kind: Kind
    number: int
    stored: int
    plain: int
    fields: bytes
    digest: bytes


class Reader:
    """Reads a file from its beginning, and refuses it where it is damaged."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.size = file.seek(0, 2)
        file.seek(0)
        self.prologue, self._first = self._prologue()

    def _prologue(self) -> tuple[Prologue, bytes]:
        head = self._file.read(PROLOGUE)
        if head[: len(MAGIC)] != MAGIC[: len(head)] or not head:
            raise Foreign(
                "The file is no backup of Mantle's: it does not begin like one (byte 0).",
                remedy="`mantle backup list` shows what is one.",
            )
        if len(head) < PROLOGUE:
            raise Damaged(len(head), "the file ends within its first bytes")
        body, digest = head[:-DIGEST], head[-DIGEST:]
        if hashlib.sha256(body).digest() != digest:
            raise Damaged(0, "its first bytes are not what was written", PROLOGUE)
        _, version, lock, cost, block, lanes, salt, name, at = _PROLOGUE.unpack(body)
        if version > VERSION:
            raise Foreign(
                f"The backup is of format {version}, and this Mantle knows up to {VERSION}.",
                remedy="Use the Mantle that made it, or a newer one.",
            )
        prologue = Prologue(
            id=name, taken_at=at / 1000, lock=lock, cost=cost, block=block, lanes=lanes, salt=salt
        )
        return prologue, digest

    def chunks(self, key: BackupKey | None) -> Iterator[Chunk]:
        """Every chunk, checked and decrypted; raises `WrongKey` or `Damaged`."""
        seal = _seal(self.prologue, key)
        for header, offset, body in self._bodies():
            if seal is not None:
                body = self._opened(seal, header, offset, body)  # noqa: PLW2901 - the same, opened
            yield Chunk(kind=header.kind, plain=_expanded(header, offset, body), offset=offset)

    def check(self) -> int:
        """Look at every byte without a key; the answer is how many chunks there are."""
        return sum(1 for _ in self._bodies())

    def glance(self) -> int:
        """Follow the headers only; the answer is how many chunks there are."""
        return sum(1 for _ in self._headers())

    def _opened(self, seal: Seal, header: _Header, offset: int, body: bytes) -> bytes:
        try:
            return seal.open(header.number, header.fields, body)
        except WrongKey:
            if header.number == 0:
                raise
            until = offset + HEADER + header.stored
            raise Damaged(offset, "the chunk was not made with this key", until) from None

    def _bodies(self) -> Iterator[tuple[_Header, int, bytes]]:
        before = self._first
        for header, offset in self._headers():
            body = self._file.read(header.stored)
            if hashlib.sha256(before + header.fields + body).digest() != header.digest:
                until = offset + HEADER + header.stored
                raise Damaged(offset, f"chunk {header.number} is not what was written", until)
            before = header.digest
            yield header, offset, body

    def _headers(self) -> Iterator[tuple[_Header, int]]:
        """The headers, each read when the one before has been looked at."""
        offset, number, last = PROLOGUE, 0, None
        while last is not Kind.DONE:
            self._file.seek(offset)
            header = self._header(offset, number)
            yield header, offset
            offset += HEADER + header.stored
            number, last = number + 1, header.kind
        if offset != self.size:
            raise Damaged(offset, f"{self.size - offset:,} bytes follow its end")

    def _header(self, offset: int, number: int) -> _Header:
        raw = self._file.read(HEADER)
        if len(raw) < HEADER:
            raise Damaged(self.size, "the file ends before the backup does")
        fields = raw[:-DIGEST]
        if _CRC.unpack(fields[-_CRC.size :]) != (zlib.crc32(fields[: -_CRC.size]),):
            raise Damaged(offset, f"the header of chunk {number} is not one", offset + HEADER)
        kind, found, stored, plain = _HEADER.unpack(fields[: -_CRC.size])
        if found != number:
            raise Damaged(offset, f"chunk {found} stands where chunk {number} belongs")
        known = kind in {each.value for each in Kind}
        if not known or stored > MOST_STORED or plain > MOST_PLAIN:
            raise Damaged(offset, f"chunk {number} is of no kind or size that there is")
        if offset + HEADER + stored > self.size:
            raise Damaged(self.size, "the file ends before the backup does")
        return _Header(Kind(kind), number, stored, plain, fields, raw[-DIGEST:])


def _seal(prologue: Prologue, key: BackupKey | None) -> Seal | None:
    if not prologue.encrypted:
        return None
    bound = prologue.packed()[-DIGEST:]
    return seal_of(
        key, (prologue.lock, prologue.cost, prologue.block, prologue.lanes), prologue.salt, bound
    )


def _expanded(header: _Header, offset: int, body: bytes) -> bytes:
    """Decompressed, never to more than the header says."""
    until = offset + HEADER + header.stored
    machine = zlib.decompressobj()
    try:
        plain = machine.decompress(body, header.plain + 1)
    except zlib.error as error:
        raise Damaged(offset, f"chunk {header.number} cannot be read ({error})", until) from error
    if len(plain) != header.plain or not machine.eof or machine.unused_data:
        raise Damaged(offset, f"chunk {header.number} is not as long as it says", until)
    return plain
