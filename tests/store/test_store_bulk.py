"""Rows that go to PostgreSQL as one document are the rows that go one by one."""

import sys
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import select

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.lib.sealing import KeyRing, new_key
from mantle.model.event import Event
from mantle.model.ids import EventId, OperationId, ResourceId, StackId, Token
from mantle.model.records import ResourceRecord
from mantle.model.status import Action, Status
from mantle.store import bulk
from mantle.store import events as event_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Database
from mantle.store.tables.stacks import events, resources

STACK = StackId("a" * 36)
COUNT = 3 * bulk.FEW
ODD = "a \"quoted\" 'text'\n\\ %s :rows {é} 🦀"


def row(number: int) -> ResourceRecord:
    return ResourceRecord(
        id=ResourceId(f"id-{number}"),
        stack_id=STACK,
        name=f"r{number}",
        type="OS::Heat::Value",
        resolved_type="OS::Heat::Value",
        token=Token(f"token-{number}"),
        properties={"value": ODD, "nested": [1, 2.5, None, {"deep": True}]},
        requires=("other", ODD),
        created_at=1234567.123456789,
    )


def told(number: int) -> Event:
    return Event(
        id=EventId(f"event-{number}"),
        sequence=0,
        stack_id=STACK,
        operation_id=OperationId("op"),
        resource=f"r{number}",
        resource_type="OS::Heat::Value",
        physical_id=None if number % 2 else ODD,
        action=Action.CREATE,
        status=Status.COMPLETE,
        reason=ODD,
        at=1234567.123456789,
    )


@pytest.fixture
def database():
    made = Database(empty_database_url(), inline=True)
    made.create_tables()
    made.seal_with(KeyRing([new_key()]))
    yield made
    made.close()


def by_name(rows: list[ResourceRecord]) -> list[ResourceRecord]:
    return sorted(rows, key=lambda each: int(each.name[1:]))


@pytest.mark.parametrize("count", [1, COUNT])
def test_new_and_changed_rows_are_read_as_they_were_written(database, count):
    """Every column comes back, sealed values and odd characters too; a write raises the version."""
    new = [row(number) for number in range(count)]
    after = [
        structs.replace(
            each,
            action=Action.CREATE,
            status=Status.COMPLETE,
            reason=ODD,
            physical_id=ODD,
            attributes={"value": ODD},
            started_at=0.1,
        )
        for each in new
    ]
    with database.engine.begin() as connection:
        resource_rows.add(connection, new)
        resource_rows.save(connection, after)
    with database.engine.connect() as connection:
        found = by_name(resource_rows.of_stack(connection, STACK))
        sealed = connection.exec_driver_sql("SELECT properties FROM resources").scalars().all()
    assert found == [structs.replace(each, version=each.version + 1) for each in after]
    assert all(bytes(each)[:2] == b"\x00\x01" for each in sealed)


def test_the_last_of_a_row_written_twice_counts(database):
    """As one by one: what was made last is what stays."""
    new = [row(number) for number in range(COUNT)]
    changes = [structs.replace(each, reason=text) for text in ("first", "last") for each in new]
    with database.engine.begin() as connection:
        resource_rows.add(connection, new)
        resource_rows.save(connection, changes)
        reasons = set(connection.scalars(select(resources.c.reason)))
    assert reasons == {"last"}


def test_events_are_numbered_in_their_order(database):
    """The journal's order is the order in which events are read."""
    with database.engine.begin() as connection:
        for start in range(0, 5 * COUNT, COUNT):
            event_rows.add(connection, [told(number) for number in range(start, start + COUNT)])
        found = event_rows.after(connection, [STACK], 0)
    assert [structs.replace(each, sequence=0) for each in found] == [
        told(n) for n in range(5 * COUNT)
    ]


def test_more_rows_than_a_document_holds_go_in_several(database, monkeypatch):
    """None is lost or doubled at the seams."""
    monkeypatch.setattr(bulk, "MOST", bulk.FEW + 1)
    with database.engine.begin() as connection:
        event_rows.add(connection, [told(number) for number in range(COUNT)])
        names = list(connection.scalars(select(events.c.resource).order_by(events.c.sequence)))
    assert names == [f"r{number}" for number in range(COUNT)]
