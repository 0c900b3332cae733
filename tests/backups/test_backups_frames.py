"""A backup is read whole or refused, with the byte where the first damage is."""

import hashlib
import io
import struct
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from archives import CHEAP, chunks_of, small_backup

from mantle.backups.contents import Rows, Summary, read_parts
from mantle.backups.frames import (
    DIGEST,
    HEADER,
    MAGIC,
    MOST_PLAIN,
    PROLOGUE,
    VERSION,
    Damaged,
    Foreign,
    Kind,
    Prologue,
    Reader,
    Writer,
)
from mantle.backups.sealing import BLOCK, LANES, SCRYPT, BackupKey, WrongKey, read_key
from mantle.model.errors import MantleError

pytestmark = pytest.mark.proves("beyond: backup and restore")

KEY = BackupKey(b"a key of some length")
OTHER = BackupKey(b"another key than that")


def parts(data: bytes, key: BackupKey | None = None) -> list[object]:
    return list(read_parts(Reader(io.BytesIO(data)), key))


def refused(data: bytes, key: BackupKey | None = None) -> int | str:
    """The offset at which it is refused, or the refusal's name."""
    try:
        reader = Reader(io.BytesIO(data))
        reader.check()
        if key is not None or not reader.prologue.encrypted:
            list(read_parts(reader, key))
    except Damaged as error:
        return error.offset
    except MantleError as error:
        return type(error).__name__
    return "accepted"


@pytest.mark.parametrize("key", [None, KEY])
def test_what_was_written_is_read(key):
    """Rows, files and the summary, encrypted or not."""
    found = parts(small_backup(key), key)
    rows = [row for part in found if isinstance(part, Rows) for row in part.rows]
    assert rows == [["a", "1"], ["b", "two"], ["c", "three"]]
    assert isinstance(found[-1], Summary)


@pytest.mark.parametrize("key", [None, KEY])
def test_every_byte_that_is_changed_is_found_in_its_chunk(key):
    """Each byte: refused where its chunk begins, with or without the key."""
    data = small_backup(key)
    for begin, end in chunks_of(data):
        for place in range(begin, end):
            changed = bytearray(data)
            changed[place] ^= 1 << place % 8
            expected = "Foreign" if place < len(MAGIC) else begin
            assert refused(bytes(changed)) == expected, place


def test_every_cut_is_told_where_the_file_ends():
    """However much of it is there, also when it ends between two chunks."""
    data = small_backup()
    cuts = range(1, len(data))
    assert [refused(data[:cut]) for cut in cuts] == list(cuts)
    assert refused(b"") == "Foreign"


def test_what_follows_the_end_is_told_there():
    """A byte, or a whole second backup."""
    data = small_backup()
    assert [refused(data + more) for more in (b"\0", data)] == [len(data), len(data)]


def test_chunks_that_are_moved_repeated_or_left_out_are_told():
    """Each is whole by itself; its number and the chain say that it is not in its place."""
    data = small_backup()
    pieces = [data[begin:end] for begin, end in chunks_of(data)]
    starts = [begin for begin, _ in chunks_of(data)]
    swapped = [*pieces[:2], pieces[3], pieces[2], *pieces[4:]]
    repeated = [*pieces[:3], pieces[2], *pieces[3:]]
    lacking = [*pieces[:2], *pieces[3:]]
    assert [refused(b"".join(each)) for each in (swapped, repeated, lacking)] == [
        starts[2],
        starts[3],
        starts[2],
    ]


def test_a_chunk_of_another_backup_does_not_fit():
    """Even with the same number, and all its own digests right."""
    mine, theirs = small_backup(), small_backup(host="other")
    begin, end = list(chunks_of(mine))[2]
    other_begin, other_end = list(chunks_of(theirs))[2]
    mixed = mine[:begin] + theirs[other_begin:other_end] + mine[end:]
    assert refused(mixed) == begin


def test_other_files_and_newer_formats_are_named_as_such():
    """Neither is called damaged."""
    head = bytearray(small_backup()[: PROLOGUE - DIGEST])
    struct.pack_into(">H", head, len(MAGIC), VERSION + 1)
    newer = bytes(head) + hashlib.sha256(head).digest()
    with pytest.raises(Foreign, match=f"format {VERSION + 1}"):
        Reader(io.BytesIO(newer))
    with pytest.raises(Foreign, match="no backup"):
        Reader(io.BytesIO(b"SQLite format 3\0" * 100))


def test_a_wrong_or_missing_key_is_no_damage():
    """What is whole is not called damaged because somebody took the wrong file."""
    data = small_backup(KEY)
    assert (refused(data), refused(data, OTHER)) == ("accepted", "WrongKey")
    with pytest.raises(WrongKey, match="encrypted"):
        parts(data)


def test_who_has_no_key_cannot_forge_a_chunk():
    """Digests made anew do not help: what was encrypted is authenticated with its place."""
    data = bytearray(small_backup(KEY))
    places = list(chunks_of(bytes(data)))
    begin, end = places[3]
    data[end - 1] ^= 1
    before = bytes(data[places[2][0] + HEADER - DIGEST : places[2][0] + HEADER])
    for start, stop in places[3:]:
        fields = bytes(data[start : start + HEADER - DIGEST])
        before = hashlib.sha256(before + fields + bytes(data[start + HEADER : stop])).digest()
        data[start + HEADER - DIGEST : start + HEADER] = before
    Reader(io.BytesIO(bytes(data))).check()
    assert refused(bytes(data), KEY) == begin


def test_a_secret_is_not_in_an_encrypted_backup():
    """Nor compressed, as far as bytes go: the same rows under two keys share no chunk."""
    assert b"three" not in small_backup(KEY)
    one, two = small_backup(KEY), small_backup(OTHER)
    assert one[PROLOGUE + HEADER :][:32] != two[PROLOGUE + HEADER :][:32]


def bomb(stored: bytes, said: int, kind: Kind = Kind.HEAD) -> bytes:
    """A chunk that says it is so long, with all digests right."""
    head = Prologue(id=b"i" * 16, taken_at=1.0).packed()
    fields = struct.pack(">4sQII4x", kind.value, 0, len(stored), said)
    fields += struct.pack(">I", zlib.crc32(fields))
    return head + fields + hashlib.sha256(head[-DIGEST:] + fields + stored).digest() + stored


def test_what_expands_beyond_what_it_says_is_refused_in_little_memory():
    """A hundred megabytes of zeros, said to be 100 bytes, all of them, or the most allowed."""
    machine = zlib.compressobj(1)
    packed = b"".join(machine.compress(bytes(1 << 20)) for _ in range(100)) + machine.flush()
    tracemalloc.start()
    for said in (100, 100 << 20, MOST_PLAIN):
        with pytest.raises(Damaged) as told:
            parts(bomb(packed, said))
        assert told.value.offset == PROLOGUE
    assert tracemalloc.get_traced_memory()[1] < 16 * MOST_PLAIN
    tracemalloc.stop()


def test_a_key_derivation_that_would_take_all_memory_is_refused():
    """The file says how much scrypt spends; a reader has its own mind about that."""
    head = Prologue(id=b"i" * 16, taken_at=1.0, lock=SCRYPT, cost=40, block=BLOCK, lanes=LANES)
    with pytest.raises(WrongKey, match="does not know"):
        parts(head.packed() + bytes(100), KEY)
    with pytest.raises(WrongKey, match="does not know"):
        Writer(io.BytesIO(), Prologue(id=b"i" * 16, taken_at=1.0, lock=7, cost=CHEAP), KEY)


def test_a_key_file_is_bytes_without_the_last_line_end(tmp_path):
    """An editor's newline makes no other key; an empty or huge file makes none."""
    path = tmp_path / "key"
    path.write_bytes(b"correct horse\n")
    assert read_key(path) == BackupKey(b"correct horse")
    assert "horse" not in repr(read_key(path))
    for content in (b"", b"short\n", bytes(1 << 17)):
        path.write_bytes(content)
        with pytest.raises(WrongKey):
            read_key(path)
