"""Transactions on a database that others write to as well, and that may be away for a while.

A transaction that met another's is done again. One whose connection broke is done again when the
server is back, if it was not committed; whether it was, when the reply to the COMMIT was lost, its
mark tells (see `marks`).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from mantle.lib.measures import DATABASE_AGAIN
from mantle.store.deeds import Deeds, away, note_written
from mantle.store.marks import KEPT_SECONDS, Writer, mark, mark_written

log = structlog.get_logger()

T = TypeVar("T")

AGAIN = 20
"""How often a transaction that met another's is done again; each try sees the other's commit."""

MET_ANOTHER = {"40001", "40P01"}
"""PostgreSQL's codes for transactions that could not be told apart in time, and for deadlocks."""

STOPPED = {"57P01", "57P02", "57P03", "25P03"}
"""Its codes for a server that stops, crashed, or is not up yet, and for one that gave up a
transaction whose process said nothing for long."""

UNDEFINED_TABLE = "42P01"
"""The database was lost and made anew; a restore brings its tables back, all at once. A release
that lacks a table is refused before (see `migrate.check_revision`)."""

CONNECTION = "08"
"""How its codes for broken connections begin."""

PAUSE_SECONDS = 0.5
TELL_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long an absent database is waited for; `over` ends all waiting."""

    seconds: float = float("inf")
    over: threading.Event = field(default_factory=threading.Event)


def transact(
    engine: Engine,
    function: Callable[[Connection], T],
    patience: Patience,
    writer: Writer,
    deeds: Deeds,
) -> T:
    """Run a writing function in one transaction, exactly once; `deeds` are its request's."""
    with writer.lock:
        if writer.doubt is not None:
            _settle(engine, _Waiting(patience, deeds), writer, writer.doubt)
        writer.number += 1
        return _transact(engine, function, _Waiting(patience, deeds), writer)


def _settle(engine: Engine, waiting: "_Waiting", writer: Writer, doubt: Deeds) -> None:
    """Find out whether the last transaction was committed; if it was not, it never will be."""
    while True:
        try:
            with engine.begin() as connection:
                made = not mark(connection, writer)
            break
        except DBAPIError as error:
            if not is_away(error):
                raise
            waiting.pause(error)
    writer.doubt = None
    log.warning("what was in doubt is known", request_id=doubt.request_id, written=made)


def _transact(
    engine: Engine, function: Callable[[Connection], T], waiting: "_Waiting", writer: Writer
) -> T:
    met = 0
    answers: list[T] = []
    while True:
        asked = marked = False
        try:
            with engine.connect() as connection, connection.begin() as transaction:
                if waiting.doubtful:
                    marked = mark(connection, writer)
                    waiting.doubtful, writer.doubt = False, None
                    if not marked:
                        note_written(waiting.deeds)
                        return answers[-1]
                answer = function(connection)
                wrote = marked or mark_written(connection, writer)
                answers = [answer]
                asked = True
                transaction.commit()
                if wrote:
                    note_written(waiting.deeds)
                return answer
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in MET_ANOTHER and met < AGAIN:
                met += 1
                DATABASE_AGAIN.labels("met another").inc()
                continue
            if not is_away(error):
                raise
            waiting.doubtful |= asked
            DATABASE_AGAIN.labels("away").inc()
            # Until it is known again: a wait that is given up leaves the doubt behind.
            writer.doubt = waiting.deeds if waiting.doubtful else None
            waiting.pause(error)


def look(
    engine: Engine,
    function: Callable[[Connection], T],
    patience: Patience,
    deeds: Deeds | None = None,
) -> T:
    """Run a reading function in a transaction of its own; `deeds` are its request's."""
    waiting = _Waiting(patience, deeds or Deeds())
    while True:
        try:
            with engine.connect() as connection:
                return function(connection)
        except DBAPIError as error:
            if not is_away(error):
                raise
            waiting.pause(error)


def is_away(error: DBAPIError) -> bool:
    """True when it is not the statement that failed but the server or the way to it."""
    code = getattr(error.orig, "sqlstate", None)
    if error.connection_invalidated or code in STOPPED or code == UNDEFINED_TABLE:
        return True
    if code is None:
        # libpq's own refusals have no code: no such host, refused, closed unexpectedly.
        shared = type(error.orig).__module__.startswith("psycopg")
        return shared and isinstance(error, OperationalError | InterfaceError)
    return str(code).startswith(CONNECTION)


def means_away(error: BaseException) -> bool:
    """The same of anything that was raised, for those who do not know SQLAlchemy."""
    return isinstance(error, DBAPIError) and is_away(error)


class _Waiting:
    """One wait for the database, told in the log when it takes long."""

    def __init__(self, patience: Patience, deeds: Deeds) -> None:
        self.patience = patience
        self.deeds = deeds
        self.began: float | None = None
        self.told = 0.0
        self.doubtful = False
        """A COMMIT was sent, and its answer has not come."""

    def pause(self, error: DBAPIError) -> None:
        now = time.monotonic()
        if self.began is None:
            self.began = self.told = now
        waited = now - self.began
        if now - self.told >= TELL_SECONDS:
            self.told = now
            log.warning("the database is waited for", seconds=round(waited), error=_why(error))
        ended = self.patience.over.wait(PAUSE_SECONDS)
        # A mark is there for so long; without it nobody could tell any more.
        lost = self.doubtful and waited > KEPT_SECONDS / 2
        if ended or lost or waited > self.patience.seconds:
            raise away(_why(error), self.deeds, doubtful=self.doubtful) from error


def _why(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
