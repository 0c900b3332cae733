"""Engines of two releases on one queue: what the newer one accepted is not the older one's."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, update

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle import __version__
from mantle.model.ids import OperationId, ProjectId, StackId
from mantle.model.records import OperationRecord
from mantle.model.release import FIRST_FORMAT, OPERATION_FORMAT
from mantle.model.status import Action, OperationStatus
from mantle.plan.watchdog import Patience, Watched, find_stuck
from mantle.store import events as event_rows
from mantle.store import leases
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.store.tables.stacks import operations

pytestmark = pytest.mark.proves("beyond: upgrades under load")

NEWER = OPERATION_FORMAT + 1
ACCEPTED = OperationRecord(
    id=OperationId("o1"),
    stack_id=StackId("s1"),
    project_id=ProjectId("p1"),
    action=Action.CREATE,
    status=OperationStatus.QUEUED,
    created_at=0.0,
)


@pytest.fixture
def database():
    one = Database(empty_database_url())
    one.create_tables()
    yield one
    one.close()


def of(accepted, **changes):
    """The operation on the way through the database, its row changed as another release would."""

    def work(connection):
        operation_rows.add(connection, accepted)
        if changes:
            connection.execute(update(operations).values(**changes))

    return work


def queue(database):
    return [each.id for each in asyncio.run(database.write(leases.front))]


def claimed(database, name="o1"):
    return asyncio.run(database.write(operation_rows.claim, OperationId(name), "engine", 1.0))


def test_what_this_release_accepts_is_of_its_format(database):
    """And what it can perform it takes."""
    asyncio.run(database.write(of(ACCEPTED)))
    assert (queue(database), claimed(database).format) == (["o1"], OPERATION_FORMAT)


def test_an_operation_of_a_newer_release_is_left_to_its_engines(database):
    """It is neither in this engine's queue nor can a late call claim it; it stays as it is."""
    asyncio.run(database.write(of(replace(ACCEPTED, format=NEWER))))
    left = asyncio.run(database.read(operation_rows.get, OperationId("o1")))
    assert (queue(database), claimed(database), left.status, left.epoch) == (
        [],
        None,
        OperationStatus.QUEUED,
        0,
    )


def test_what_an_older_release_accepted_is_performed_and_is_newer_from_then_on(database):
    """A row without a format is of the first one; begun here, no older engine goes on with it."""
    asyncio.run(database.write(of(ACCEPTED, format=None)))
    before = asyncio.run(database.read(operation_rows.get, OperationId("o1"))).format
    assert (before, queue(database)) == (FIRST_FORMAT, ["o1"])
    claimed(database)
    stored = asyncio.run(database.read(lambda each: each.scalar(select(operations.c.format))))
    assert stored == OPERATION_FORMAT


def test_the_watchdog_says_that_it_waits_for_a_newer_engine():
    """Offering it anew would not help, and is not proposed."""
    waiting = Watched(
        operation=replace(ACCEPTED, format=NEWER), engine=None, steps=(), waits_since=0.0
    )
    (reason,) = find_stuck(waiting, 1e6, Patience())
    assert f"format {NEWER}" in reason.said
    assert "take-over" not in reason.said


def test_an_engine_says_which_release_it_is_of(database):
    """So that an operator sees who is still of the old one."""
    asyncio.run(database.write(event_rows.register_engine, "e1", "here", 0.0))
    (engine,) = asyncio.run(database.read(event_rows.list_engines))
    assert (engine["release"], engine["format"]) == (__version__, OPERATION_FORMAT)
