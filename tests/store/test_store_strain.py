"""A slow database is noticed by those who would give it more to do."""

import asyncio
import os
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import insert, make_url, select

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from database_proxy import Proxy
from databases import empty_database_url

from mantle.store.database import Database
from mantle.store.gate import Gate
from mantle.store.tables.stacks import settings

needs_postgres = pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)


def put(connection, name):
    connection.execute(insert(settings), {"name": name, "value": "v"})


def names(connection):
    return sorted(connection.scalars(select(settings.c.name)))


@needs_postgres
def test_a_slow_way_to_the_database_strains_writers_and_readers_go_on():
    """Every word takes a fifth of a second: what waits is counted, and all of it is done."""
    url = make_url(empty_database_url())
    proxy = Proxy(url.port)
    slow = Database(
        url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
    )

    async def story():
        await slow.write(put, "first")
        proxy.pause_seconds = 0.2
        writes = [asyncio.ensure_future(slow.write(put, f"n{n}")) for n in range(3)]
        await asyncio.sleep(0)
        waiting = slow.writes.pending
        seen = await slow.read(names)
        during = slow.writes.strain_seconds()
        await asyncio.gather(*writes)
        proxy.pause_seconds = 0.0
        after = slow.writes.strain_seconds()
        await slow.write(put, "last")
        return waiting, "first" in seen, during > 0.2, after > 0.4, slow.writes.pending

    assert asyncio.run(story()) == (3, True, True, True, 0)
    slow.close()
    proxy.close()


def test_what_waits_behind_a_slow_one_counts_from_when_it_was_asked_for(tmp_path):
    """And for a while after: the last one was slow."""
    database = Database.at(tmp_path / "db.sqlite")
    database.create_tables()
    go, begun = threading.Event(), threading.Event()

    def hold(_):
        begun.set()
        go.wait(30)

    async def story():
        writes = [asyncio.ensure_future(database.write(hold)) for _ in range(2)]
        await asyncio.to_thread(begun.wait)
        await asyncio.sleep(0.2)
        held = database.writes.pending, database.writes.strain_seconds() >= 0.2
        go.set()
        await asyncio.gather(*writes)
        return held, database.writes.pending, database.writes.strain_seconds() >= 0.2

    assert asyncio.run(story()) == ((2, True), 0, True)
    database.close()


def test_nothing_strains_where_nothing_is_done():
    """A gate that nobody went through."""
    assert (Gate("read", 1).strain_seconds(), Gate("read", 1).pending) == (0.0, 0)
