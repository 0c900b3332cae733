"""Whose turn it is to look for drift, where engines' clocks differ."""

import os
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.model.ids import ProjectId
from mantle.store import drift as drift_rows
from mantle.store.database import Database

DAY = 86_400.0


@pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)
def test_an_engine_a_day_ahead_does_not_take_a_turn_that_is_not_due():
    """The server's clock is asked, in whatever transaction."""
    database = Database(empty_database_url())

    def turn(here):
        with database.engine.begin() as connection:
            now = database.time(connection, here)
            assert abs(now - time.time()) < DAY / 2
            return drift_rows.claim(connection, ProjectId("p"), "c", now, 600.0)

    here = time.time()
    assert [turn(here), turn(here + DAY), turn(here - DAY)] == [True, False, False]
    database.close()


def test_in_a_file_the_engines_clock_is_the_databases(tmp_path):
    """Engines that share a file share the machine, and its clock."""
    database = Database.at(tmp_path / "db.sqlite")
    database.create_tables()

    def turn(here):
        with database.engine.begin() as connection:
            now = database.time(connection, here)
            return drift_rows.claim(connection, ProjectId("p"), "c", now, 600.0)

    assert [turn(0.0), turn(599.0), turn(600.0), turn(601.0)] == [True, False, True, False]
    database.close()
