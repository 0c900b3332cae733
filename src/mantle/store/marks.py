"""How a process knows whether its last commit took place, when nobody could tell it.

Each process has one row: the number of its last transaction that wrote. The transaction itself
writes it, so the number is there if and only if all the rest is. One row is enough, as a process
writes one transaction after the other, and nothing has to be cleared away but the rows of processes
that are gone.

Note: a commit that is still on its way. The connection broke after COMMIT was sent. The server may
have committed, may have given up, or may not have heard of it yet: then it would commit after we
looked, and what we did again would be there twice. So we do not look, we write our number again,
first of all. While the old transaction is undecided it holds the row, and this waits for it; when
it committed, the number is there and nothing is written (`mark` is False); when it did not, the
number is ours now, and the old one has ended without a trace.

When the database stays away, whoever waits is told that it is not known. The process finds it out
all the same: before its next transaction it does what is said above for the one in doubt. That is
then either there, or will never be.

PostgreSQL's own numbers of transactions do not serve for this: those that a crash has undone are
given again, and another's commit would be taken for ours.
"""

import threading
import uuid
from dataclasses import dataclass, field

from sqlalchemy import Connection, TextClause, delete, text

from mantle.store.deeds import Deeds
from mantle.store.incarnation import Superseded
from mantle.store.moments import database_time
from mantle.store.tables.writers import writers

KEPT_SECONDS = 7 * 86_400.0
"""How long the row of a process that writes nothing is kept."""

_ROW = """
INSERT INTO writers (id, number, at)
SELECT CAST(:id AS varchar), CAST(:number AS bigint), extract(epoch FROM clock_timestamp())
{only} ON CONFLICT (id) DO UPDATE SET number = excluded.number, at = excluded.at
WHERE writers.number < excluded.number
RETURNING COALESCE((SELECT value FROM settings WHERE name = 'incarnation'), '')
"""

_ALWAYS = text(_ROW.format(only="WHERE TRUE"))
_IF_WRITTEN = text(_ROW.format(only="WHERE pg_current_xact_id_if_assigned() IS NOT NULL"))


@dataclass(slots=True)
class Writer:
    """One process, as its database knows it."""

    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    number: int = 0
    """Of the transaction under way, or the last one."""
    incarnation: str | None = None
    """Which life of the database it writes into (see `incarnation`); None before it has written."""
    superseded: bool = False
    """There is another one."""
    doubt: Deeds | None = None
    """Whose transaction `number` was, while nobody knows whether it was committed."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    """One transaction after the other."""


def mark(connection: Connection, writer: Writer) -> bool:
    """Begin a transaction that may have been committed already; False when it was."""
    return _written(connection, writer, _ALWAYS)


def mark_written(connection: Connection, writer: Writer) -> bool:
    """End a transaction: note its number; whether it wrote anything, as far as that is known."""
    if connection.dialect.name != "postgresql":
        return True
    return _written(connection, writer, _IF_WRITTEN)


def same(writer: Writer, incarnation: str) -> None:
    """Raise `Superseded` when this is another life of the database than the process knows."""
    if writer.incarnation is None:
        writer.incarnation = incarnation
    if writer.superseded or writer.incarnation != incarnation:
        writer.superseded = True
        raise Superseded


def _written(connection: Connection, writer: Writer, statement: TextClause) -> bool:
    values = {"id": writer.id, "number": writer.number}
    row = connection.execute(statement, values).first()
    if row is not None:
        same(writer, row[0])
    return row is not None


def purge(connection: Connection, here: float) -> int:
    """The rows of processes that have written nothing for long; not in a SERIALIZABLE one."""
    before = database_time(connection, here) - KEPT_SECONDS
    return connection.execute(delete(writers).where(writers.c.at < before)).rowcount
