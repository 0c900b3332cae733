"""Databases with made-up rows of every table, and small backups, for the tests of backups."""

import io
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from sqlalchemy import BigInteger, Boolean, Float, Integer, String, Text

from mantle.backups.contents import Author, Manifest, TableHead
from mantle.backups.frames import Prologue, Writer
from mantle.backups.places import Places
from mantle.backups.sealing import BLOCK, LANES, SCRYPT, BackupKey
from mantle.store import dumping
from mantle.store.migrate import known_revisions, migrate
from mantle.store.tables import metadata
from mantle.store.tables.base import Json, SealedText

CHEAP = 4
"""log2 N of scrypt where it is not what is tested."""

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


def manifest(**changes: Any) -> Manifest:
    values = {
        "product": "0",
        "revision": known_revisions()[0],
        "workflows": None,
        "dialect": "sqlite",
        "taken_at": 1.0,
        "host": "h",
    }
    return Manifest(**(values | changes))


def small_backup(key: BackupKey | None = None, **changes: Any) -> bytes:
    """A whole backup of three rows."""
    file = io.BytesIO()
    lock = {"lock": SCRYPT, "cost": CHEAP, "block": BLOCK, "lanes": LANES} if key else {}
    writer = Writer(file, Prologue(id=b"i" * 16, taken_at=1.0, **lock), key)
    author = Author(writer, manifest(**changes))
    head = TableHead(database="mantle", name="settings", columns=("name", "value"))
    author.table(head, [["a", "1"], ["b", "two"], ["c", "three"]])
    author.table(TableHead(database="mantle", name="engines", columns=("id",)), [])
    if key is not None:
        author.file("clouds.yaml", b"passwords")
    author.done()
    return file.getvalue()


def value_of(column: Any, row: int) -> st.SearchStrategy[Any]:
    kind = column.type
    if isinstance(kind, Json):
        values: st.SearchStrategy[Any] = st.dictionaries(TEXT, st.integers() | TEXT, max_size=2)
    elif isinstance(kind, Boolean):
        values = st.booleans()
    elif isinstance(kind, Float):
        values = st.floats(allow_nan=False, allow_infinity=False)
    elif isinstance(kind, BigInteger):
        values = st.integers(-(2**62), 2**62)
    elif isinstance(kind, Integer):
        values = st.integers(-(2**31), 2**31 - 1)
    else:
        assert isinstance(kind, String | Text | SealedText)
        values = TEXT
    unique = column.primary_key or column.unique or column.name in {"name", "id", "access"}
    if unique and not isinstance(kind, Integer | BigInteger):
        return values.map(lambda value: f"{row}{value}"[: getattr(kind, "length", None) or 99])
    if unique:
        return st.just(row + 1)
    return values | st.none() if column.nullable else values


@st.composite
def contents(draw: Any) -> dict[str, list[dict[str, Any]]]:
    """Rows for some of the tables; keys differ."""
    names = draw(st.lists(st.sampled_from(sorted(metadata.tables)), unique=True, max_size=6))
    return {
        name: [
            {column.name: draw(value_of(column, row)) for column in metadata.tables[name].columns}
            for row in range(draw(st.integers(1, 3)))
        ]
        for name in names
    }


def filled(places: Places, rows: dict[str, list[dict[str, Any]]]) -> None:
    """A migrated database with these rows."""
    database = places.open_rows()
    try:
        migrate(database)
        with database.engine.begin() as connection:
            for name, values in rows.items():
                connection.execute(metadata.tables[name].insert(), values)
    finally:
        database.close()


def everything(places: Places) -> dict[str, list[list[Any]]]:
    """All rows of all tables, in an order that does not depend on the database."""
    database = places.open_rows()
    try:
        with database.moment() as connection:
            return {
                table.name: sorted(
                    dumping.read_rows(connection, table, dumping.shape_of(table).columns), key=repr
                )
                for table in dumping.read_tables(connection)
            }
    finally:
        database.close()


def chunks_of(data: bytes) -> Iterator[tuple[int, int]]:
    """Where each chunk begins and ends."""
    from mantle.backups.frames import PROLOGUE, Reader

    places = [offset for _, offset in Reader(io.BytesIO(data))._headers()]
    yield 0, PROLOGUE
    yield from zip(places, [*places[1:], len(data)], strict=True)
