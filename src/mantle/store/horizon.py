"""How far events may be read by a cursor without stepping over one that comes later.

Events get their numbers when they are written and are seen when they are committed; on PostgreSQL
several processes write, so number 12 may be seen before number 11. A reader that went on behind 12
would never see 11. It therefore reads only up to the horizon, below which nothing is under way.

Whoever writes events first enters: it takes, until its transaction ends, a shared lock whose name
is the last number that was given, so that its own numbers are greater. The horizon is the last
number given, or the least that somebody who is under way has entered with.

Note: who enters while the horizon is sought. The last number given (M) is read first, then the
locks. A writer whose lock is not there yet takes its numbers after that, so they are greater than
M. A writer whose lock is gone has committed before, so a transaction that begins now sees its
events: the horizon is read in a transaction of its own, and the events in a later one.
"""

import sys

from sqlalchemy import Connection, text

from mantle.store.database import Database

_NAME = 0x4D41
"""The upper sixteen bits of the locks' names; the rest is a number."""

_GIVEN = "coalesce(pg_sequence_last_value('events_sequence_seq'), 0)"

_ENTER = text(f"SELECT pg_advisory_xact_lock_shared({_NAME << 48} + {_GIVEN})")

_LAST = text(f"SELECT {_GIVEN}")

_ENTERED = text("""
SELECT min((classid::bigint << 32 | objid::bigint) - (CAST(:name AS bigint) << 48)) FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = :name AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
""")


def enter(connection: Connection) -> None:
    """This transaction is about to write events."""
    if connection.dialect.name == "postgresql":
        connection.execute(_ENTER)


async def horizon(database: Database) -> int:
    """Every event up to this number is committed, or never will be."""
    return await database.read(_horizon)


def _horizon(connection: Connection) -> int:
    if connection.dialect.name != "postgresql":
        # There is one writer at a time: numbers are given in the order of the commits.
        return sys.maxsize
    last: int = connection.scalar(_LAST) or 0
    entered: int | None = connection.scalar(_ENTERED, {"name": _NAME})
    return last if entered is None else min(last, entered)
