"""A connection that has rested is asked whether it still is one, before a transaction begins on it.

A server that was restarted is then found out before, not within. SQLAlchemy would ask before every
transaction, which is a fifth of what a short one costs; one that was used a moment ago is taken as
it is. When that was wrong, the transaction's first statement fails, and `transactions` begins again
on another connection.
"""

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

RESTED_SECONDS = 1.0

_USED = "used at"


def ask_after_a_rest(engine: Engine) -> None:
    """From now on, for the connections of this engine."""
    dialect = engine.dialect

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _: Any) -> None:
        used = record.info.get(_USED)
        if used is None or time.monotonic() - used < RESTED_SECONDS:
            return  # new, or in use a moment ago
        try:
            dialect.do_ping(connection)
        except dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    @event.listens_for(engine, "checkin")
    def note(_: Any, record: Any) -> None:
        record.info[_USED] = time.monotonic()
