"""This release beside the last one: what it may change, and what it has to say of it.

`tests/upgrade/released` is what the last release knew (`scripts/released.py` wrote it).
"""

import json
import sqlite3
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from released import known

from mantle.store.database import Database
from mantle.store.migrate import migrate
from mantle.store.tables import metadata

RELEASED = Path(__file__).parent / "released"

pytestmark = pytest.mark.proves("beyond: upgrades under load")


def new_since(before, now):
    """What an engine of the last release does not know."""
    found = [f"action {each}" for each in now["actions"] if each not in before["actions"]]
    for name, properties in now["types"].items():
        if name not in before["types"]:
            found.append(f"type {name}")
            continue
        found += [
            f"property {name}.{each}" for each in properties if each not in before["types"][name]
        ]
    return found


def test_what_the_last_release_cannot_perform_has_a_format_of_its_own():
    """Raise OPERATION_FORMAT (model/release.py) by one when this fails."""
    before = json.loads((RELEASED / "known.json").read_text())
    now = known()
    new = new_since(before, now)
    assert not new or now["format"] > before["format"], new


def test_nothing_that_an_engine_knew_is_forgotten():
    """An operation that the last release began is finished by this one."""
    assert new_since(known(), json.loads((RELEASED / "known.json").read_text())) == []


@pytest.fixture(params=sorted(RELEASED.glob("schema-*.sql")), ids=lambda path: path.stem)
def released(request, tmp_path):
    """A database as the last release left it, or one before."""
    path = tmp_path / "db.sqlite"
    connection = sqlite3.connect(path)
    connection.executescript(request.param.read_text())
    connection.close()
    database = Database.at(path)
    yield database
    database.close()


def columns(database):
    """By table and column: its type, and whether a row may be written without it."""
    look = inspect(database.engine)
    return {
        (table, column["name"]): (
            str(column["type"]),
            column["nullable"] or column["default"] is not None,
        )
        for table in look.get_table_names()
        for column in look.get_columns(table)
    }


def test_migrations_bring_the_last_releases_tables_to_this_ones(released):
    """Just as a new database has them."""
    migrate(released)
    with released.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrations_only_add(released):
    """Processes of the last release go on meanwhile: all they read and write stays as it was."""
    before = columns(released)
    migrate(released)
    after = columns(released)
    tables = {table for table, _ in before}
    in_the_way = [
        name
        for name, (_, may_lack) in after.items()
        if name not in before and name[0] in tables and not may_lack
    ]
    assert ({name: after.get(name) for name in before}, in_the_way) == (before, [])
