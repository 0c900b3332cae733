"""Reads all tables of a database as plain values, and fills empty ones with them.

Values cross as they are stored: numbers, text, bytes (JSON columns are bytes, see `tables/base`),
true and false. So what was read from SQLite goes into PostgreSQL, and back. Which tables there are
is asked of the database when it is read; what is filled is built from this release's tables,
narrowed to the columns that are given: such as the older release had them that wrote the values,
for the migrations to bring them forward.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alembic.migration import MigrationContext
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Index,
    LargeBinary,
    MetaData,
    Text,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy import Table as Table  # noqa: PLC0414 - what others name it by
from sqlalchemy.exc import DBAPIError

from mantle.model.errors import MantleError
from mantle.store.tables import metadata
from mantle.store.tables.base import Json, SealedText

AT_ONCE = 500
"""Rows read, or written, together."""

VERSIONS = {"alembic_version", "dbos_migrations", "datasource_outputs_migrations"}
"""Tables that say which tables there are; they are not contents."""

WORKFLOWS_SCHEMA = "dbos"
"""Where the durable engine's tables are on PostgreSQL; on SQLite they have a file of their own."""

CANCELLED = "CANCELLED"
"""The durable engine's own word."""


class NotFitting(MantleError):
    """The values are not such as the tables can hold."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A table and its columns, by name: the order they were added in says nothing."""

    name: str
    columns: tuple[str, ...]


def read_tables(connection: Connection, *, workflows: bool = False) -> list[Table]:
    """The tables there are, by name; of the durable engine's when `workflows`.

    Tables of others, who share the database, are not looked at.
    """
    schema = _schema(connection) if workflows else None
    found = MetaData(schema=schema)
    names = inspect(connection).get_table_names(schema=schema)
    ours = set(names) - VERSIONS if workflows else set(names) & set(metadata.tables)
    found.reflect(connection, only=sorted(ours))
    return list(found.sorted_tables)


def shape_of(table: Table) -> Shape:
    """Its name and columns."""
    columns = sorted(str(column.name) for column in table.columns)
    return Shape(str(table.name), tuple(columns))


def read_rows(connection: Connection, table: Table, columns: Sequence[str]) -> Iterator[list[Any]]:
    """These columns of every row, a batch at a time."""
    chosen = [table.c[name] for name in columns]
    as_text = [isinstance(column.type, JSON) for column in chosen]
    query = select(*chosen).execution_options(yield_per=AT_ONCE, stream_results=True)
    with connection.execute(query) as result:
        for row in result:
            yield [_stored(value, as_json) for value, as_json in zip(row, as_text, strict=True)]


def _stored(value: Any, as_json: bool) -> Any:
    if as_json and value is not None:
        return json.dumps(value, sort_keys=True)
    return bytes(value) if isinstance(value, memoryview | bytearray) else value


def revision_in(connection: Connection) -> str | None:
    """Of Mantle's tables, within this transaction."""
    return MigrationContext.configure(connection).get_current_revision()


def workflows_revision(connection: Connection) -> int | None:
    """Of the durable engine's tables; None when there are none."""
    schema = _schema(connection)
    if "dbos_migrations" not in inspect(connection).get_table_names(schema=schema):
        return None
    place = f"{schema}.dbos_migrations" if schema else "dbos_migrations"
    version: int | None = connection.scalar(text(f"SELECT max(version) FROM {place}"))  # noqa: S608
    return version


def occupied(connection: Connection) -> Mapping[str, int]:
    """The tables that hold anything, with how many rows."""
    found = {}
    for table in read_tables(connection):
        count = connection.scalar(select(func.count()).select_from(table)) or 0
        if count:
            found[table.name] = count
    return found


def take_turn(connection: Connection) -> None:
    """Wait for whoever else makes tables in this database, until the transaction's end."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('mantle migrate'))"))


# --- filling ---------------------------------------------------------------------------------


def make_tables(connection: Connection, shapes: Sequence[Shape]) -> Mapping[str, Table]:
    """Make Mantle's tables with just these columns; empty ones that are there go first.

    Raises `NotFitting` for what this release does not know.
    """
    for table in reversed(read_tables(connection)):
        table.drop(connection)
    connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    narrowed = MetaData()
    made = {shape.name: _narrowed(shape, narrowed) for shape in shapes}
    narrowed.create_all(connection)
    return made


def _narrowed(shape: Shape, into: MetaData) -> Table:
    whole = metadata.tables.get(shape.name)
    if whole is None:
        raise NotFitting(f"There is no table {shape.name!r} in this release of Mantle.")
    strange = sorted(set(shape.columns) - {column.name for column in whole.columns})
    if strange or len(set(shape.columns)) != len(shape.columns):
        raise NotFitting(f"Table {shape.name!r} has no columns {', '.join(strange)}.")
    columns = [_plain(column) for column in whole.columns if column.name in shape.columns]
    table = Table(shape.name, into, *columns)
    for index in whole.indexes:
        names = [column.name for column in index.columns]
        if set(names) <= set(shape.columns):
            dialects = {
                f"{dialect}_where": index.dialect_options[dialect]["where"]
                for dialect in ("sqlite", "postgresql")
                if index.dialect_options[dialect].get("where") is not None
            }
            Index(index.name, *(table.c[name] for name in names), unique=index.unique, **dialects)
    return table


def _plain(column: Column[Any]) -> Column[Any]:
    """The same column, with values as they are stored: JSON as bytes, sealed ones sealed."""
    copy: Column[Any] = column._copy()  # noqa: SLF001 - `to_metadata` copies whole tables only
    if isinstance(column.type, Json):
        copy.type = LargeBinary()
    elif isinstance(column.type, SealedText):
        copy.type = Text()
    return copy


def workflow_tables(connection: Connection) -> Mapping[str, Table]:
    """The durable engine's tables, which it has made itself; emptied."""
    tables = read_tables(connection, workflows=True)
    for table in reversed(tables):
        connection.execute(table.delete())
    return {table.name: table for table in tables}


def fill(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Put rows in; `NotFitting` when one does not fit."""
    kinds = {name: table.c[name].type for name in columns if name in table.c}
    if missing := sorted(set(columns) - set(kinds)):
        raise NotFitting(f"Table {table.name!r} has no columns {', '.join(missing)}.")
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(
            {name: _fitting(kinds[name], value) for name, value in zip(columns, row, strict=True)}
        )
        if len(batch) == AT_ONCE:
            _insert(connection, table, batch)
            batch = []
    _insert(connection, table, batch)


def _fitting(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, Boolean):
        return bool(value)
    if isinstance(kind, JSON) and isinstance(value, str):
        return json.loads(value)
    return value


def _insert(connection: Connection, table: Table, batch: list[dict[str, Any]]) -> None:
    if not batch:
        return
    try:
        connection.execute(table.insert(), batch)
    except DBAPIError as error:
        why = str(error.orig).strip().partition("\n")[0]
        raise NotFitting(f"A row of {table.name!r} does not fit: {why}.") from error


def advance_sequences(connection: Connection) -> None:
    """What PostgreSQL numbers by itself goes on behind the highest number there is."""
    if connection.dialect.name != "postgresql":
        return
    for table in metadata.sorted_tables:
        column = table.autoincrement_column
        if column is None:
            continue
        highest = connection.scalar(select(func.max(column)))
        if highest is not None:
            name = func.pg_get_serial_sequence(table.name, column.name)
            connection.execute(select(func.setval(name, highest)))


def end_workflows(connection: Connection, table: Table) -> None:
    """What was under way goes on as a new attempt, under a new name; the old one is over."""
    over = table.c.status.in_(("PENDING", "ENQUEUED", "DELAYED"))
    connection.execute(table.update().where(over).values(status=CANCELLED))


def _schema(connection: Connection) -> str | None:
    return WORKFLOWS_SCHEMA if connection.dialect.name == "postgresql" else None
