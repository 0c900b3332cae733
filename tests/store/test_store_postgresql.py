"""The store on PostgreSQL: several processes write, and each sees what it would see alone."""

import asyncio
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import insert, select

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.model.ids import OperationId
from mantle.model.status import OperationStatus
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.store.migrate import migrate
from mantle.store.operations import Held
from mantle.store.tables import metadata
from mantle.store.tables.stacks import operations, settings

needs_postgres = pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)
WRITERS = 8


@pytest.fixture
def url():
    return empty_database_url()


def test_the_migrations_make_exactly_the_tables(tmp_path):
    """A database brought up step by step is the one that this release describes."""
    database = Database.at(tmp_path / "db.sqlite")
    migrate(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    database.close()


@needs_postgres
def test_the_migrations_make_exactly_the_tables_on_postgresql(url):
    """The same there; and a second migration finds nothing to do."""
    database = Database(url)
    with database.engine.begin() as connection:
        metadata.drop_all(connection)
    migrate(database)
    migrate(database)
    with database.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), metadata)
    database.close()
    assert found == []


@needs_postgres
def test_two_writers_that_look_before_they_write_do_not_both_write(url):
    """Eight processes make the same secret; all are told the same one."""
    databases = [Database(url) for _ in range(WRITERS)]
    start = threading.Barrier(WRITERS)

    def one(database: Database) -> str:
        async def make() -> str:
            start.wait()
            return await database.write(event_rows.setting, "signing_key")

        return asyncio.run(make())

    with ThreadPoolExecutor(WRITERS) as threads:
        secrets = list(threads.map(one, databases))
    with databases[0].engine.connect() as connection:
        kept = connection.execute(select(settings.c.value)).scalars().all()
    for each in databases:
        each.close()
    assert kept == [secrets[0]]
    assert set(secrets) == set(kept)


@needs_postgres
def test_of_two_engines_that_claim_one_operation_the_later_holds_it(url):
    """Both claims succeed, one after the other, and only the last passes the fence."""
    first, second = Database(url), Database(url)
    with first.engine.begin() as connection:
        connection.execute(insert(operations), _operation("o1"))

    async def claimed():
        return await asyncio.gather(
            first.write(operation_rows.claim, OperationId("o1"), "e1", 1.0),
            second.write(operation_rows.claim, OperationId("o1"), "e2", 1.0),
        )

    one, two = asyncio.run(claimed())
    epochs = sorted([one.epoch, two.epoch])

    async def fenced():
        return [
            await first.write_fenced(operation_rows.fence, OperationId("o1"), epoch, 0)
            for epoch in epochs
        ]

    answers = asyncio.run(fenced())
    first.close()
    second.close()
    assert epochs == [1, 2]
    assert answers == [Held.BACK, None]


def _operation(name: str) -> dict[str, object]:
    return {
        "id": name,
        "stack_id": "s1",
        "project_id": "p1",
        "action": "CREATE",
        "status": OperationStatus.QUEUED,
        "epoch": 0,
        "engine": "",
        "reason": "",
        "request_id": "",
        "batch_size": 0,
        "pause_seconds": 0.0,
        "created_at": 1.0,
        "deadline_at": 2.0,
        "steps_total": 0,
        "steps_done": 0,
    }
