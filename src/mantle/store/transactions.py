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
from mantle.model.errors import Unavailable
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
    engine: Engine, function: Callable[[Connection], T], patience: Patience, writer: Writer
) -> T:
    """Run a writing function in one transaction, exactly once."""
    with writer.lock:
        writer.number += 1
        return _transact(engine, function, _Waiting(patience), writer)


def _transact(
    engine: Engine, function: Callable[[Connection], T], waiting: "_Waiting", writer: Writer
) -> T:
    met = 0
    answers: list[T] = []
    while True:
        asked = False
        try:
            with engine.connect() as connection, connection.begin() as transaction:
                if waiting.doubtful and not mark(connection, writer):
                    return answers[-1]
                answer = function(connection)
                if not waiting.doubtful:
                    mark_written(connection, writer)
                answers = [answer]
                asked = True
                transaction.commit()
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
            waiting.pause(error)


def look(engine: Engine, function: Callable[[Connection], T], patience: Patience) -> T:
    """Run a reading function in a transaction of its own."""
    waiting = _Waiting(patience)
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
    if error.connection_invalidated or code in STOPPED:
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

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
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
            raise Unavailable(
                f"The database does not answer ({_why(error)}).",
                remedy="It did not say whether the change was made: look before you try again."
                if self.doubtful
                else "Nothing was changed. Try again later.",
            ) from error


def _why(error: DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
