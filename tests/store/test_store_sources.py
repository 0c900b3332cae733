"""Stored templates: kept once, and for a while after nothing names them any more."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.model.graph import TemplateSource
from mantle.store import retention, stacks
from mantle.store.database import Database
from mantle.store.tables.snapshots import snapshots

SOURCE = TemplateSource(template="heat_template_version: 2021-04-16")
HOUR = retention.LOOSE_SECONDS


@pytest.fixture
def database():
    one = Database(empty_database_url())
    one.create_tables()
    yield one
    one.close()


def told(database, *story):
    """The answers of one write after another."""
    return [asyncio.run(database.write(lambda c, step=step: step(c))) for step in story]


def add(connection):
    return stacks.add_source(connection, SOURCE, 0.0)


def _id():
    one = Database("sqlite://")
    one.create_tables()
    try:
        return asyncio.run(one.write(add))
    finally:
        one.close()


ID = _id()
"""Of the source, wherever it is stored."""


def let_go(connection):
    stacks.let_go_of_sources(connection, [ID])


def sweep(at):
    return lambda connection: retention.purge_sources(connection, at)


def there(connection):
    return stacks.find_source(connection, ID) is not None


def name_it(connection):
    """A snapshot that names it, made by whoever had not seen that it was let go of."""
    row = {"id": "x", "stack_id": "s", "source_id": ID, "created_at": 0.0}
    required = {column.name: "" for column in snapshots.columns if not column.nullable}
    connection.execute(insert(snapshots), required | row)


def test_what_was_just_let_go_of_can_still_be_read(database):
    """Whoever has read the stack's row a moment ago reads its template next."""
    assert told(database, add, let_go, sweep(10.0), there)[2:] == [0, True]


def test_an_hour_after_it_was_seen_that_nothing_names_it_it_goes(database):
    """Not an hour after it was made."""
    story = [add, let_go, sweep(10 * HOUR), sweep(11 * HOUR - 1), sweep(11 * HOUR + 1), there]
    assert told(database, *story)[2:] == [0, 0, 1, False]


def test_what_is_stored_again_meanwhile_stays(database):
    """Its hour begins anew when it is let go of again."""
    story = [add, let_go, sweep(0.0), add, sweep(2 * HOUR), let_go, sweep(2 * HOUR + 1), there]
    assert told(database, *story)[4:] == [0, None, 0, True]


def test_what_somebody_names_although_it_was_let_go_of_stays(database):
    """The two did not see each other's writes; the one that needs it is right."""
    story = [add, let_go, sweep(0.0), name_it, sweep(2 * HOUR), sweep(4 * HOUR), there]
    assert told(database, *story)[4:] == [0, 0, True]


def test_a_named_one_is_not_let_go_of(database):
    """A template that two stacks have stays when one of them goes."""
    story = [add, name_it, let_go, sweep(0.0), sweep(2 * HOUR), there]
    assert told(database, *story)[3:] == [0, 0, True]
