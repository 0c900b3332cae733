"""Many rows in one statement, where the database can take them so.

A driver's `executemany` sends each row by itself; on PostgreSQL that costs the engine and the
server more than all the rest of a step. There the rows go as one JSON document, which the server
unfolds; so a batch is one statement, one round trip and one plan, whatever it holds. Bytes travel
as base64. SQLite takes rows one by one without any way in between, so nothing is gained there.

The numbers that the database gives (`events.sequence`) follow the order of the rows, as they do
when each comes by itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    TextClause,
    insert,
    text,
)
from sqlalchemy.engine import Dialect

from mantle.store.tables.base import Json, SealedText

FEW = 4
"""Up to so many rows go one by one: their statement is known to the server already."""

MOST = 2_000
"""Rows in one document: some megabytes."""

_TYPES: tuple[tuple[type, str], ...] = (
    (Json, "text"),
    (LargeBinary, "text"),
    (SealedText, "text"),
    (BigInteger, "bigint"),
    (Integer, "integer"),
    (Float, "double precision"),
    (Boolean, "boolean"),
    (String, "text"),
)

Convert = Callable[[Any, Dialect], Any]


def insert_rows(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Store new rows, in their order. Each has the same columns; what is left out has a default."""
    if not rows:
        return
    if not _unfolds(connection, rows):
        connection.execute(insert(table), rows)
        return
    names = tuple(rows[0])
    statement = _insert(table, names)
    for part in _parts(table, names, rows, connection.dialect):
        connection.execute(statement, {"rows": part})


def update_rows(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], counts: str
) -> bool:
    """Store known rows by their `id`; the column `counts` grows by one in each.

    False, with nothing done, when they had better go one by one. No id may be there twice.
    """
    if not rows or not _unfolds(connection, rows):
        return False
    names = tuple(rows[0])
    statement = _update(table, names, counts)
    for part in _parts(table, names, rows, connection.dialect):
        connection.execute(statement, {"rows": part})
    return True


def _unfolds(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> bool:
    return connection.dialect.name == "postgresql" and len(rows) > FEW


def _parts(
    table: Table, names: Sequence[str], rows: Sequence[dict[str, Any]], dialect: Dialect
) -> list[str]:
    """The rows as documents; each is an array of maps."""
    converts = _converts(table, tuple(names))
    ready = rows
    if converts:
        ready = [
            row | {name: convert(row[name], dialect) for name, convert in converts} for row in rows
        ]
    starts = range(0, len(ready), MOST)
    return [msgspec.json.encode(ready[start : start + MOST]).decode() for start in starts]


@lru_cache(maxsize=64)
def _converts(table: Table, names: tuple[str, ...]) -> tuple[tuple[str, Convert], ...]:
    """Columns whose values are made to bytes or sealed on their way, and what does it."""
    return tuple(
        (name, kind.process_bind_param)
        for name in names
        if isinstance(kind := table.c[name].type, Json | SealedText)
    )


@lru_cache(maxsize=64)
def _insert(table: Table, names: tuple[str, ...]) -> TextClause:
    columns = [table.c[name] for name in names]
    return text(
        f"INSERT INTO {table.name} ({', '.join(map(_quoted, names))}) "  # noqa: S608 - our own names
        f"SELECT {', '.join(map(_unfolded, columns))} FROM {_source(columns)}"
    )


@lru_cache(maxsize=64)
def _update(table: Table, names: tuple[str, ...], counts: str) -> TextClause:
    columns = [table.c[name] for name in names]
    changes = [f"{_quoted(each.name)} = {_unfolded(each)}" for each in columns if each.name != "id"]
    changes.append(f"{counts} = stored.{counts} + 1")
    return text(
        f"UPDATE {table.name} AS stored SET {', '.join(changes)} "  # noqa: S608 - our own names
        f"FROM {_source(columns)} WHERE stored.id = given.id"
    )


def _source(columns: Collection[Column[Any]]) -> str:
    typed = ", ".join(f"{_quoted(each.name)} {_type(each)}" for each in columns)
    return f"json_to_recordset(CAST(:rows AS json)) AS given ({typed})"


def _unfolded(column: Column[Any]) -> str:
    name = f"given.{_quoted(column.name)}"
    return f"decode({name}, 'base64')" if isinstance(column.type, Json | LargeBinary) else name


def _type(column: Column[Any]) -> str:
    return next(name for kind, name in _TYPES if isinstance(column.type, kind))


def _quoted(name: str) -> str:
    return f'"{name}"'
