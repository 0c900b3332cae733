"""Transactions on a database that others write to as well, and that may be away for a while.

A transaction that met another's is done again. One whose connection broke is done again when the
server is back, if it was not committed; whether it was, when the reply to the COMMIT was lost, the
server knows: every transaction that writes asks for its number first (`pg_xact_status`).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from mantle.model.errors import Unavailable

log = structlog.get_logger()

T = TypeVar("T")

AGAIN = 20
"""How often a transaction that met another's is done again; each try sees the other's commit."""

MET_ANOTHER = {"40001", "40P01"}
"""PostgreSQL's codes for transactions that could not be told apart in time, and for deadlocks."""

STOPPED = {"57P01", "57P02", "57P03"}
"""Its codes for a server that stops, crashed, or is not up yet."""

NEVER_WAS = "22023"
"""Its code for the number of a transaction that a crash has undone, before the number is new."""

CONNECTION = "08"
"""How its codes for broken connections begin."""

PAUSE_SECONDS = 0.5
TELL_SECONDS = 10.0


@dataclass(slots=True, kw_only=True)
class Patience:
    """How long an absent database is waited for; `over` ends all waiting."""

    seconds: float = float("inf")
    over: threading.Event = field(default_factory=threading.Event)


def transact(engine: Engine, function: Callable[[Connection], T], patience: Patience) -> T:
    """Run a writing function in one transaction, exactly once."""
    waiting = _Waiting(patience)
    met = 0
    while True:
        number: str | None = None
        try:
            with engine.connect() as connection, connection.begin() as transaction:
                answer = function(connection)
                number = _number(connection)
                transaction.commit()
                return answer
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) in MET_ANOTHER and met < AGAIN:
                met += 1
                continue
            if not is_away(error):
                raise
            waiting.pause(error)
            if number is not None and _was_committed(engine, number, waiting):
                return answer


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


def _number(connection: Connection) -> str | None:
    """The transaction's, when it has written anything."""
    if connection.dialect.name != "postgresql":
        return None
    number: str | None = connection.scalar(text("SELECT pg_current_xact_id_if_assigned()::text"))
    return number


def _was_committed(engine: Engine, number: str, waiting: "_Waiting") -> bool:
    query = text("SELECT pg_xact_status(CAST(:number AS xid8))")
    while True:
        try:
            with engine.connect() as connection:
                status = connection.scalar(query, {"number": number})
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) == NEVER_WAS:
                return False
            if not is_away(error):
                raise
            waiting.pause(error)
            continue
        if status != "in progress":
            return bool(status == "committed")
        # Its backend has not noticed yet that we are gone.
        waiting.pause(None)


class _Waiting:
    """One wait for the database, told in the log when it takes long."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.began: float | None = None
        self.told = 0.0

    def pause(self, error: DBAPIError | None) -> None:
        now = time.monotonic()
        if self.began is None:
            self.began = self.told = now
        waited = now - self.began
        if now - self.told >= TELL_SECONDS:
            self.told = now
            log.warning("the database is waited for", seconds=round(waited), error=_why(error))
        ended = self.patience.over.wait(PAUSE_SECONDS)
        if ended or waited > self.patience.seconds:
            raise Unavailable(
                f"The database does not answer ({_why(error)}).",
                remedy="Nothing was changed. Try again later.",
            ) from error


def _why(error: DBAPIError | None) -> str:
    if error is None:
        return "a transaction's end is not known yet"
    return str(error.orig).strip().partition("\n")[0]
