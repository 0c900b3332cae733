"""Reading events by a cursor while several processes write them: none is stepped over."""

import asyncio
import os
import random
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.model.event import Event
from mantle.model.ids import EventId, StackId
from mantle.model.status import Action, Status
from mantle.store import events as event_rows
from mantle.store.database import Database
from mantle.store.horizon import horizon

needs_postgres = pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)
STACK = StackId("s")
WRITERS = 4
EACH = 60


def event(name: str) -> Event:
    return Event(
        id=EventId(name),
        sequence=0,
        stack_id=STACK,
        operation_id=None,
        resource="r",
        resource_type="T",
        physical_id=None,
        action=Action.CREATE,
        status=Status.COMPLETE,
        reason="",
        at=1.0,
    )


async def page(database: Database, cursor: int) -> list[Event]:
    """As `follow_events` reads."""
    until = await horizon(database)
    found = await database.read(event_rows.after, [STACK], cursor)
    return [each for each in found if each.sequence <= until]


@needs_postgres
def test_an_event_that_commits_later_with_a_smaller_number_is_not_stepped_over():
    """The greater number is held back until the smaller one is there."""
    slow, quick = Database(empty_database_url()), None
    quick = Database(slow.url)

    async def story():
        seen = []
        with slow.engine.connect() as connection, connection.begin() as transaction:
            event_rows.add(connection, [event("first")])
            await quick.write(event_rows.add, [event("second")])
            seen.append([each.id for each in await page(quick, 0)])
            transaction.commit()
        seen.append([each.id for each in await page(quick, 0)])
        return seen

    assert asyncio.run(story()) == [[], ["first", "second"]]
    slow.close()
    quick.close()


@needs_postgres
def test_a_transaction_that_is_given_up_holds_nothing_back():
    """Its numbers are never used, and the others go on."""
    one, two = Database(empty_database_url()), None
    two = Database(one.url)

    async def story():
        with one.engine.connect() as connection:
            event_rows.add(connection, [event("never")])
            connection.rollback()
        await two.write(event_rows.add, [event("second")])
        return [each.id for each in await page(two, 0)]

    assert asyncio.run(story()) == ["second"]
    one.close()
    two.close()


@needs_postgres
def test_whoever_pages_while_many_write_sees_every_event_once():
    """Four processes write in transactions that last by chance; two readers follow them."""
    url = empty_database_url()
    writing, reading = [Database(url) for _ in range(WRITERS)], [Database(url) for _ in range(2)]
    seed = random.randrange(1 << 30)
    done = threading.Event()
    seen: list[list[str]] = [[], []]

    def slowly(connection, names, pause):
        event_rows.add(connection, [event(name) for name in names])
        connection.execute(text("SELECT pg_sleep(:pause)"), {"pause": pause})

    def write(which: int) -> None:
        chance = random.Random(seed + which)

        async def work():
            left = [f"{which}-{number}" for number in range(EACH)]
            while left:
                count = chance.randint(1, 4)
                names, left = left[:count], left[count:]
                await writing[which].write_fenced(slowly, names, chance.choice([0, 0, 0.005, 0.03]))

        asyncio.run(work())

    def read(which: int) -> None:
        async def work():
            cursor = 0
            while True:
                last = done.is_set()
                for each in await page(reading[which], cursor):
                    seen[which].append(each.id)
                    cursor = each.sequence
                if last:
                    return

        asyncio.run(work())

    writers = [threading.Thread(target=write, args=(which,)) for which in range(WRITERS)]
    readers = [threading.Thread(target=read, args=(which,)) for which in range(2)]
    for each in (*writers, *readers):
        each.start()
    for each in writers:
        each.join()
    done.set()
    for each in readers:
        each.join()
    for each in (*writing, *reading):
        each.close()
    expected = sorted(f"{which}-{number}" for which in range(WRITERS) for number in range(EACH))
    assert [sorted(each) for each in seen] == [expected, expected], f"seed {seed}"


def test_in_a_file_nothing_is_held_back(tmp_path):
    """One writes at a time, so numbers come in the order of commits."""
    database = Database.at(tmp_path / "db.sqlite")
    database.create_tables()

    async def story():
        await database.write(event_rows.add, [event("one"), event("two")])
        return [each.id for each in await page(database, 0)]

    assert asyncio.run(story()) == ["one", "two"]
    database.close()
