"""Brings a database to this release's tables, through Alembic."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from mantle.model.errors import MantleError
from mantle.store.database import Connection, Database

MIGRATIONS = Path(__file__).parent / "migrations"


class WrongRevision(MantleError):
    """The database has other tables than this release expects."""


def migrate(database: Database) -> None:
    """Upgrade to the newest revision; nothing happens when it is there already.

    Of several that do it at once one does, and the others wait for it.
    """
    shared = database.engine.dialect.name == "postgresql"
    options = {"isolation_level": "READ COMMITTED"} if shared else {}
    with database.engine.connect().execution_options(**options) as connection:
        if shared:
            connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('mantle migrate'))"))
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def upgrade_from(connection: Connection, at: str) -> str:
    """Bring tables that are as of that revision to this release's, in the caller's transaction."""
    config = _config()
    config.attributes["connection"] = connection
    command.stamp(config, at)
    command.upgrade(config, "head")
    return known_revisions()[0]


def known_revisions() -> list[str]:
    """This release's, the newest first."""
    return [each.revision for each in ScriptDirectory.from_config(_config()).walk_revisions()]


def revision(database: Database) -> str | None:
    """Where it stands; None when it is empty."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def check_revision(database: Database) -> None:
    """Refuse to work on tables that are older than this release.

    Newer ones are well: revisions only add, so that an older process goes on beside a newer one.
    """
    there = revision(database)
    known = known_revisions()
    if there is None or (there in known and there != known[0]):
        raise WrongRevision(
            f"The database is at revision {there or 'none'}, and this release needs {known[0]}.",
            remedy="Run `mantle migrate` once; older processes go on working meanwhile.",
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config
