"""The database that all runs of one system process share, empty again for each.

A transaction here is one moment of one thread, so nothing has to be waited for, retried or handed
to a pool: the connection is opened once, and the driver is told where a transaction begins and
ends. Nothing is ever on a disk; what a power cut does to a file is not simulated.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection

from mantle.resources.registry import Registry, default_registry
from mantle.store.database import Database
from mantle.store.moments import CLOCK

T = TypeVar("T")


class Ground:
    """The one of a system process."""

    _one: "Ground | None" = None

    def __init__(self) -> None:
        self.database = Database("sqlite://", inline=True)
        self.database.create_tables()
        self._connection = self.database.engine.connect()
        self.raw: Any = self._connection.connection.driver_connection
        """The driver's connection, for questions that are asked very often."""
        self._empty = self.raw.serialize()
        # To SQLAlchemy everything is one transaction, which it neither begins nor ends again.
        self._connection.begin()
        self.raw.execute("ROLLBACK")
        self.registry: Registry = default_registry()

    @classmethod
    def get(cls) -> "Ground":
        """The one of this system process."""
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def cleared(self, clock: Callable[[], float]) -> Database:
        """The database, empty, telling this time."""
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")
        self.raw.deserialize(self._empty)
        self._connection.info[CLOCK] = clock
        return self.database

    def transact(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """All of it or nothing."""
        return self._between("COMMIT", function, *args, **kwargs)

    def look(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Whatever it writes is undone."""
        return self._between("ROLLBACK", function, *args, **kwargs)

    def _between(self, end: str, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        connection: Connection = self._connection
        self.raw.execute("BEGIN")
        try:
            answer = function(connection, *args, **kwargs)
        except BaseException:
            self.raw.execute("ROLLBACK")
            raise
        self.raw.execute(end)
        return answer
