"""The physical limit: the rows an operation leaves, written by a bare group-commit loop.

The same tables, columns, sizes and pragmas; each resource is one insert, one update (two where a
cloud is asked) and two events, in transactions of as many as the engine was seen to group.
"""

import sqlite3
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from mantle.lib.postgres import PostgresServer
from mantle.model.event import Event
from mantle.model.ids import EventId, ResourceId, StackId, Token
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.store.database import Database
from mantle.store.rows import RESOURCE_COLUMNS, event_values, resource_values

RESOURCE = RESOURCE_COLUMNS
SAVED = tuple(name for name in RESOURCE if name not in {"id", "stack_id", "name", "token"})
EVENT = tuple(name for name in Event.__struct_fields__ if name != "sequence")
INSERT = f"INSERT INTO resources ({', '.join(RESOURCE)}) VALUES ({', '.join('?' * len(RESOURCE))})"
UPDATE = f"UPDATE resources SET {', '.join(f'{name} = ?' for name in SAVED)} WHERE id = ?"
EVENTS = f"INSERT INTO events ({', '.join(EVENT)}) VALUES ({', '.join('?' * len(EVENT))})"

ENDS = (Status.IN_PROGRESS, Status.COMPLETE)

BATCH = 256
"""Resources a commit; the engine's own grouping is of this order."""


def floor(count: int) -> float:
    """Seconds to write what creating this many resources writes, straight through sqlite3."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "floor.sqlite"
        database = Database.at(path)
        database.create_tables()
        database.close()
        rows = [_row(number) for number in range(count)]
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        began = time.perf_counter()
        _write(
            connection,
            INSERT,
            [_values(_plain(row), RESOURCE) for row in rows],
        )
        for start in range(0, count, BATCH):
            part = rows[start : start + BATCH]
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(
                UPDATE,
                [(*_values(_plain(row), SAVED), row.id) for row in part],
            )
            events = [event_values(_event(row, status)) for row in part for status in ENDS]
            connection.executemany(EVENTS, [_values(event, EVENT) for event in events])
            connection.execute("COMMIT")
        seconds = time.perf_counter() - began
        connection.close()
    return seconds


def postgres_floor(server: PostgresServer, count: int) -> float:
    """The same through psycopg, in a database of its own on that server."""
    name = f"floor_{uuid.uuid4().hex}"
    server.create_database(name)
    database = Database(server.url(name))
    database.create_tables()
    database.close()
    rows = [_row(number) for number in range(count)]
    with psycopg.connect(server.url(name)) as connection, connection.cursor() as cursor:
        insert, update, events = (
            statement.replace("?", "%s") for statement in (INSERT, UPDATE, EVENTS)
        )
        began = time.perf_counter()
        cursor.executemany(insert, [_values(_plain(row), RESOURCE) for row in rows])
        connection.commit()
        for start in range(0, count, BATCH):
            part = rows[start : start + BATCH]
            cursor.executemany(
                update,
                [(*_values(_plain(row), SAVED), row.id) for row in part],
            )
            said = [event_values(_event(row, status)) for row in part for status in ENDS]
            cursor.executemany(events, [_values(event, EVENT) for event in said])
            connection.commit()
        return time.perf_counter() - began


def _write(connection: sqlite3.Connection, statement: str, values: list[tuple[Any, ...]]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(statement, values)
    connection.execute("COMMIT")


def _values(row: dict[str, Any], names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(
        msgspec.json.encode(value).decode() if isinstance(value, dict | tuple) else value
        for value in (row[name] for name in names)
    )


def _plain(row: ResourceRecord) -> dict[str, Any]:
    """As it is stored where nothing is secret."""
    return resource_values(row, sealed=False)


def _row(number: int) -> ResourceRecord:
    return ResourceRecord(
        id=ResourceId(str(uuid.uuid4())),
        stack_id=StackId(str(uuid.uuid4())),
        name=f"r{number}",
        type="OS::Heat::RandomString",
        resolved_type="OS::Heat::RandomString",
        action=Action.CREATE,
        status=Status.COMPLETE,
        reason="state changed",
        token=Token(str(uuid.uuid4())),
        physical_id=f"stack-r{number}-0123456789ab",
        properties={"length": 8, "salt": None, "sequence": None, "character_classes": None},
        attributes={"value": "abcdefgh"},
        data={"value": "abcdefgh"},
        created_at=0.0,
    )


def _event(row: ResourceRecord, status: Status) -> Event:
    return Event(
        id=EventId(str(uuid.uuid4())),
        sequence=0,
        stack_id=row.stack_id,
        operation_id=None,
        resource=row.name,
        resource_type=row.type,
        physical_id=row.physical_id,
        action=row.action,
        status=status,
        reason="state changed",
        at=0.0,
    )
