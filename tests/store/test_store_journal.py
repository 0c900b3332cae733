"""Group commits: what one operation writes amiss is no other's affair."""

import asyncio
import sys
from pathlib import Path

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.model.errors import Unavailable
from mantle.model.ids import OperationId, ProjectId, StackId
from mantle.model.records import OperationRecord
from mantle.model.status import Action, OperationStatus
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.store.journal import Entry, Journal
from mantle.store.tables.stacks import settings


def operation(name):
    return OperationRecord(
        id=OperationId(name),
        stack_id=StackId(f"stack of {name}"),
        project_id=ProjectId("p1"),
        action=Action.CREATE,
        status=OperationStatus.QUEUED,
        created_at=0.0,
    )


def entry(name, word):
    """One operation's write: a row named by the word, which may be there once only."""
    return Entry(
        operation_id=OperationId(name),
        epoch=1,
        also=lambda connection: connection.execute(insert(settings), {"name": word, "value": name}),
    )


def stored(connection):
    return list(connection.scalars(select(settings.c.name).order_by(settings.c.name)))


async def written(database, entries):
    """The stored words, each write's failure, and what was told as committed."""
    for name in {each.operation_id for each in entries}:
        await database.write(operation_rows.add, operation(name))
        await database.write(operation_rows.claim, name, "engine", 0.0)
    told = []
    journal = Journal(database, told.extend)
    answers = await asyncio.gather(*map(journal.write, entries), return_exceptions=True)
    return await database.read(stored), [type(each).__name__ for each in answers], told


@pytest.fixture
def database():
    one = Database(empty_database_url())
    one.create_tables()
    yield one
    one.close()


@pytest.mark.proves("life cycle: one operation's bad write fails that operation only")
def test_only_the_operation_that_wrote_amiss_learns_of_it(database):
    """A batch that is refused is committed again operation by operation, in its order."""
    entries = [
        entry("a", "a1"),
        entry("bad", "bad1"),
        entry("c", "c1"),
        entry("bad", "a1"),
        entry("a", "a2"),
    ]
    words, answers, told = asyncio.run(written(database, entries))
    assert words == ["a1", "a2", "bad1", "c1"]
    assert answers == ["NoneType", "NoneType", "NoneType", "IntegrityError", "NoneType"]
    assert told == [entries[0], entries[1], entries[2], entries[4]]


def test_nothing_is_stored_that_was_written_behind_a_refused_entry(database):
    """What is durable has everything before it: the guilty one's later writes fail as well."""
    entries = [entry("a", "a1"), entry("bad", "a1"), entry("a", "a2"), entry("bad", "bad2")]
    words, answers, _ = asyncio.run(written(database, entries))
    assert words == ["a1", "a2"]
    assert answers == ["NoneType", "IntegrityError", "NoneType", "IntegrityError"]


def test_a_batch_of_one_operation_is_refused_as_a_whole(database):
    """There is nobody to spare, so it is not tried again."""
    entries = [entry("bad", "x"), entry("bad", "x")]
    words, answers, _ = asyncio.run(written(database, entries))
    assert words == []
    assert answers == [IntegrityError.__name__] * 2


class Away(Database):
    """A server that does not answer."""

    calls = 0

    async def write_fenced(self, *_args, **_kwargs):
        self.calls += 1
        raise Unavailable("the database does not answer")


def test_a_database_that_is_away_is_not_asked_once_for_each_operation():
    """Nobody wrote amiss: every operation in the batch learns it at once."""
    database = Away("sqlite://")
    database.create_tables()
    _, answers, _ = asyncio.run(written(database, [entry("a", "a1"), entry("b", "b1")]))
    assert (answers, database.calls) == (["Unavailable"] * 2, 1)
    database.close()
