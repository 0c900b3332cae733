"""How a database is, for whoever has to find out what is wrong; nothing here waits or writes."""

import time
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from mantle.store import figures as figure_rows
from mantle.store.database import Database
from mantle.store.figures import Figures
from mantle.store.migrate import known_revisions, revision
from mantle.store.moments import database_time


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What was found. `problem` is why nothing more could be."""

    problem: str = ""
    revision: str | None = None
    known: tuple[str, ...] = ()
    """This release's revisions, the newest first."""
    ahead_seconds: float = 0.0
    """How far the database's clock is before this machine's; half the way there is allowed for."""
    round_trip_seconds: float = 0.0
    connections: int = 0
    """Of a server: how many there are now,"""
    most_connections: int = 0
    """and how many there may be; 0: there is no bound."""
    figures: Figures | None = None

    @property
    def is_current(self) -> bool:
        """Whether the tables are this release's."""
        return bool(self.known) and self.revision == self.known[0]


def examine(database: Database) -> Health:
    """Look at it once, on this thread."""
    try:
        return _examine(database)
    except DBAPIError as error:
        return Health(problem=str(error.orig).strip().partition("\n")[0])


def _examine(database: Database) -> Health:
    there, known = revision(database), tuple(known_revisions())
    with database.engine.connect() as connection:
        before, begun = time.time(), time.perf_counter()
        now = database_time(connection, before)
        took = time.perf_counter() - begun
        used, most = _connections(connection)
        found = None
        if there is not None and (there == known[0] or there not in known):
            found = figure_rows.read(connection, before)
        connection.rollback()
    return Health(
        revision=there,
        known=known,
        ahead_seconds=now - before - took / 2 if now != before else 0.0,
        round_trip_seconds=took,
        connections=used,
        most_connections=most,
        figures=found,
    )


def _connections(connection: Connection) -> tuple[int, int]:
    if connection.dialect.name != "postgresql":
        return 0, 0
    used = connection.scalar(text("SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL"))
    most = connection.scalar(
        text(
            "SELECT current_setting('max_connections')::int"
            " - current_setting('superuser_reserved_connections')::int"
        )
    )
    return used or 0, most or 0
