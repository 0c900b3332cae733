"""The physical limit: the rows an operation leaves, written by a bare group-commit loop.

The same tables, columns, sizes and pragmas; each resource is one insert, one update (two where a
cloud is asked) and two events, in transactions of as many as the engine was seen to group.
"""

import tempfile
import time
import uuid
from pathlib import Path

from mantle.model.event import Event
from mantle.model.ids import EventId, ResourceId, StackId, Token
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.store import events as event_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection, Database

ENDS = (Status.IN_PROGRESS, Status.COMPLETE)

BATCH = 256
"""Resources a commit; the engine's own grouping is of this order."""


async def floor(count: int) -> float:
    """Seconds to write what creating this many resources writes."""
    with tempfile.TemporaryDirectory() as folder:
        database = Database.at(Path(folder) / "floor.sqlite")
        database.create_tables()
        rows = [_row(number) for number in range(count)]
        began = time.perf_counter()
        await database.write(resource_rows.add, rows)
        for start in range(0, count, BATCH):
            await database.write(_commit, rows[start : start + BATCH])
        seconds = time.perf_counter() - began
        database.close()
    return seconds


def _commit(connection: Connection, rows: list[ResourceRecord]) -> None:
    resource_rows.save(connection, rows)
    event_rows.add(connection, [_event(row, status) for row in rows for status in ENDS])


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
