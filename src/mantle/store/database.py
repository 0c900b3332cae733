"""The database: readers side by side, one writer a process, both off the event loop.

SQLAlchemy's synchronous Core runs in worker threads. On SQLite this is both simpler and faster
than an asynchronous driver, which crosses threads for every statement instead of once for every
transaction; on PostgreSQL it is the same code (docs/decisions/0004). There is one writer thread, so
writers never wait for each other's locks, and what is written together is committed together.

On PostgreSQL several processes write. So that a writing function may still look before it writes,
as if it were alone, transactions are SERIALIZABLE and the function is called again when another's
commit got in between. Writing functions therefore change nothing but the database. `fenced` writes
need no such care: what they change is theirs by the operation's epoch, whose row they lock.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.pool import StaticPool

from mantle.lib.sealing import Sealer
from mantle.model.errors import Unavailable, Undecided
from mantle.store import incarnation
from mantle.store.deeds import current
from mantle.store.gate import Gate
from mantle.store.marks import Writer, same
from mantle.store.moments import database_time
from mantle.store.resting import ask_after_a_rest
from mantle.store.tables import metadata
from mantle.store.tables.base import sealer_of, use_sealer
from mantle.store.transactions import Patience, look, transact

__all__ = ["Connection", "Database"]

P = ParamSpec("P")
T = TypeVar("T")

IDLE_SECONDS = 20
"""After so long without a statement the server gives a transaction up; `transact` does it again."""

FIND_OUT_SECONDS = 1.0

READERS = 4
"""Reader threads; reads of one request are short."""


class Database:
    """One database. `inline` runs on the calling thread, for simulations in virtual time.

    A server that is away is waited for, for `patience_seconds`; then `Unavailable` is raised.
    Without `keys` nothing is sealed, and nothing sealed can be read.
    """

    def __init__(
        self,
        url: str,
        *,
        inline: bool = False,
        patience_seconds: float = float("inf"),
        keys: Sealer | None = None,
    ) -> None:
        self._patience = Patience(seconds=patience_seconds)
        self._as_whom = Writer()
        self._asking: asyncio.Task[None] | None = None
        """Who finds out what became of a transaction."""
        in_memory = url in {"sqlite://", "sqlite:///:memory:"}
        if url.startswith("sqlite"):
            self._writer_engine = _sqlite(url, begin="BEGIN IMMEDIATE")
            self._fenced_engine = self._writer_engine
            self._reader_engine = self._writer_engine if in_memory else _sqlite(url, begin="BEGIN")
        else:
            self._writer_engine = _postgresql(url, 1, isolation_level="SERIALIZABLE")
            self._fenced_engine = self._writer_engine.execution_options(
                isolation_level="READ COMMITTED"
            )
            self._reader_engine = _postgresql(
                url,
                READERS,
                isolation_level="REPEATABLE READ",
                execution_options={"postgresql_readonly": True},
            )
        self._writer = None if inline else ThreadPoolExecutor(1, "mantle-write")
        # An in-memory SQLite database has one connection, so that all use the writer's thread.
        self._reader = self._writer if in_memory else ThreadPoolExecutor(READERS, "mantle-read")
        if inline:
            self._reader = None
        self.url = url
        self.reads = Gate("read", 1 if in_memory else READERS)
        self.writes = Gate("write", 1)
        if keys is not None:
            self.seal_with(keys)

    @staticmethod
    def at(path: Path) -> "Database":
        """The embedded SQLite database in a file; its folder is made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return Database(f"sqlite:///{path}")

    def seal_with(self, keys: Sealer) -> None:
        """From now on: seal, and read what is sealed, with these keys."""
        for engine in (self._writer_engine, self._reader_engine):
            use_sealer(engine, keys)

    @property
    def seals(self) -> bool:
        """Whether secrets are sealed here."""
        return sealer_of(self._writer_engine.dialect) is not None

    async def read(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a reading function in a transaction of its own, seeing one moment."""
        deeds = current()

        def work() -> T:
            return look(
                self._reader_engine,
                lambda connection: function(connection, *args, **kwargs),
                self._patience,
                deeds,
            )

        return await self.reads.pass_through(self._reader, work)

    async def write(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a writing function in one transaction, alone; durable when this returns."""
        return await self._write(self._writer_engine, function, *args, **kwargs)

    async def write_fenced(
        self, function: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """The same for a function that begins with a fence and writes only what is behind it."""
        return await self._write(self._fenced_engine, function, *args, **kwargs)

    async def _write(
        self,
        engine: Engine,
        function: Callable[Concatenate[Connection, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        deeds = current()

        def work() -> T:
            return transact(
                engine,
                lambda connection: function(connection, *args, **kwargs),
                self._patience,
                self._as_whom,
                deeds,
            )

        try:
            return await self.writes.pass_through(self._writer, work)
        except Undecided:
            if self._as_whom.doubt is not None and (self._asking is None or self._asking.done()):
                self._asking = asyncio.create_task(self._find_out(), name="find out")
            raise

    async def _find_out(self) -> None:
        """Once the server answers again: settle what it has not said yet, told in the log."""
        while self._as_whom.doubt is not None and not self._patience.over.is_set():
            await asyncio.sleep(FIND_OUT_SECONDS)
            with contextlib.suppress(Unavailable):
                await self.write(_nothing)

    def wait(self, seconds: float) -> None:
        """Until the server answers, on this thread; `Unavailable` when it does not in that time."""
        patience = Patience(seconds=seconds, over=self._patience.over)
        look(
            self._reader_engine, lambda connection: connection.exec_driver_sql("SELECT 1"), patience
        )

    @contextlib.contextmanager
    def moment(self) -> Iterator[Connection]:
        """One reading transaction on this thread, which sees one moment as long as it is open."""
        with self._reader_engine.connect() as connection:
            # The moment is that of the first look, not of the beginning.
            connection.exec_driver_sql(
                "SELECT 1"
                if connection.dialect.name == "postgresql"
                else "SELECT 1 FROM sqlite_master LIMIT 1"
            )
            yield connection

    def time(self, connection: Connection, here: float) -> float:
        """The database's time, for leases; `here` is this engine's. See `moments`."""
        return database_time(connection, here)

    def create_tables(self) -> None:
        """Make every table that is missing; for tests and simulations (see `migrations`)."""
        metadata.create_all(self._writer_engine)

    async def check_life(self) -> None:
        """Raise `Superseded` when the database was restored since this process wrote to it."""
        found = await self.read(incarnation.current)
        if self._as_whom.incarnation is not None:
            same(self._as_whom, found)

    @property
    def engine(self) -> Engine:
        """The writing engine, for migrations."""
        return self._writer_engine

    def close(self) -> None:
        """Finish what is under way and release threads and files."""
        self._patience.over.set()
        for executor in {self._writer, self._reader}:
            if executor is not None:
                executor.shutdown(wait=True)
        self._writer_engine.dispose()
        self._reader_engine.dispose()


def _nothing(_: Connection) -> None:
    """A transaction that writes nothing of its own."""


def _postgresql(url: str, connections: int, **options: Any) -> Engine:
    address = make_url(url).set(drivername="postgresql+psycopg")
    engine = create_engine(
        address,
        pool_size=connections,
        max_overflow=0,
        # A refused statement is told without its values: they may be secrets.
        hide_parameters=True,
        connect_args={
            "connect_timeout": 10,
            "application_name": "mantle",
            # A server that is cut off without a word is found out within a quarter of a minute.
            "keepalives_idle": 5,
            "keepalives_interval": 3,
            "keepalives_count": 3,
            "tcp_user_timeout": 15_000,
            # A process that is frozen in the middle of a transaction holds up others for so long.
            "options": f"-c idle_in_transaction_session_timeout={IDLE_SECONDS * 1000}",
        },
        **options,
    )
    ask_after_a_rest(engine)
    return engine


def _sqlite(url: str, *, begin: str) -> Engine:
    options: dict[str, Any] = {
        "connect_args": {"check_same_thread": False, "timeout": 30},
        "hide_parameters": True,
    }
    if url in {"sqlite://", "sqlite:///:memory:"}:
        options["poolclass"] = StaticPool
    engine = create_engine(url, **options)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        # The driver's own transaction handling is off: "begin" below says how one starts.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # FULL: an accepted request survives a power cut, not only a killed process.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA busy_timeout=30000")
        cursor.execute("PRAGMA temp_store=MEMORY")
        cursor.close()

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
