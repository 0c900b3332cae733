"""The database goes away: what was being written is written once, whenever that was."""

import asyncio
import contextlib
import os
import shutil
import socket
import tempfile
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from mantle.lib.postgres import NoPostgres, PostgresServer, find_binaries
from mantle.model.errors import Unavailable
from mantle.store.database import Database
from mantle.store.tables.stacks import settings


def _there() -> bool:
    try:
        find_binaries()
    except NoPostgres:
        return False
    return True


pytestmark = [
    pytest.mark.skipif(
        "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this"
    ),
    pytest.mark.skipif(not _there(), reason="there is no PostgreSQL on this machine"),
]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def server():
    folder = Path(tempfile.mkdtemp(prefix="mantle-outage-"))
    one = PostgresServer(folder=folder, port=free_port())
    one.start()
    try:
        yield one
    finally:
        one.stop("immediate")
        shutil.rmtree(folder)


class Proxy:
    """Between us and the server; `cut_after(word)` swallows the reply to a statement, once."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.word: bytes | None = None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sockets = [self.listener]
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def close(self) -> None:
        for one in self.sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self.threads:
            thread.join(5)
        for one in self.sockets:
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                cut = threading.Event()
                self.sockets += [client, server]
                for ends in ((client, server, True), (server, client, False)):
                    pump = threading.Thread(target=self._pump, args=(*ends, cut), daemon=True)
                    self.threads.append(pump)
                    pump.start()

    def _pump(self, source, sink, from_client, cut) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if from_client and self.word and self.word in data:
                    self.word = None
                    cut.set()
                    sink.sendall(data)
                    time.sleep(0.3)  # long enough for the server to commit
                    break
                if not (cut.is_set() and not from_client):
                    sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def put(connection, name):
    connection.execute(insert(settings), {"name": name, "value": "v"})


def names(connection):
    return sorted(connection.scalars(select(settings.c.name)))


def test_a_commit_whose_reply_was_lost_is_not_done_again(server):
    """The server is asked whether it was committed: a second insert would clash."""
    proxy = Proxy(server.port)
    database = Database(f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres")
    database.create_tables()

    async def story():
        await database.write(put, "before")
        proxy.word = b"COMMIT"
        await database.write(put, "one")
        return await database.read(names)

    assert asyncio.run(story()) == ["before", "one"]
    database.close()
    proxy.close()


def test_a_statement_whose_reply_was_lost_is_done_again(server):
    """It was not committed, so nothing of it is there."""
    proxy = Proxy(server.port)
    database = Database(f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres")
    database.create_tables()

    async def story():
        await database.write(put, "before")
        proxy.word = b"INSERT INTO settings"
        await database.write(put, "one")
        return await database.read(names)

    assert asyncio.run(story()) == ["before", "one"]
    database.close()
    proxy.close()


def test_a_server_that_crashes_and_comes_back_loses_nothing(server):
    """Writers wait meanwhile; every write is there once, in spite of three crashes."""
    database = Database(server.url())
    database.create_tables()
    count = 300

    async def writer():
        for number in range(count):
            await database.write(put, f"n{number:04}")

    async def crashes():
        for _ in range(3):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.stop, "immediate")
            await asyncio.sleep(0.3)
            await asyncio.to_thread(server.start)

    async def story():
        await asyncio.gather(writer(), crashes())
        return await database.read(names)

    assert asyncio.run(story()) == [f"n{number:04}" for number in range(count)]
    database.close()


def test_a_request_is_not_kept_waiting_for_ever(server):
    """It is told that nothing was changed."""
    database = Database(server.url(), patience_seconds=1.0)
    database.create_tables()
    server.stop()
    with pytest.raises(Unavailable, match="Nothing was changed"):
        asyncio.run(database.write(put, "one"))
    with pytest.raises(Unavailable):
        asyncio.run(database.read(names))
    database.close()


def test_a_wait_ends_when_the_process_is_told_to_stop(server):
    """A database that is away does not keep a process from ending."""
    database = Database(server.url())
    database.create_tables()
    server.stop()

    async def story():
        waiting = asyncio.ensure_future(database.write(put, "one"))
        await asyncio.sleep(0.5)
        database.close()
        with pytest.raises(Unavailable):
            await waiting

    asyncio.run(story())
