"""The database's time: what several engines agree on, whatever their own clocks say."""

from sqlalchemy import Connection, extract, func, select
from sqlalchemy.sql.elements import Extract

SERVER_TIME: Extract = extract("epoch", func.clock_timestamp())
"""Seconds since the epoch, as PostgreSQL's clock stands, also within a long transaction."""


CLOCK = "clock"
"""In a connection's `info`: the clock of an SQLite database that plays a server, in simulations."""


def database_time(connection: Connection, here: float) -> float:
    """Seconds since the epoch; `here` is this engine's own time.

    An SQLite file is shared by engines of one machine: the engine's clock is the database's. A
    server has a clock of its own, and it alone is asked.
    """
    if connection.dialect.name == "sqlite":
        clock = connection.info.get(CLOCK)
        return here if clock is None else float(clock())
    return float(connection.scalar(select(SERVER_TIME)) or 0.0)
