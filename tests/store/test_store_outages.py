"""The database goes away: what was being written is written once, whenever that was."""

import asyncio
import os
import shutil
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest
import structlog
from sqlalchemy import insert, select, text

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from database_proxy import Proxy

from mantle.lib.postgres import NoPostgres, PostgresServer, find_binaries
from mantle.model.errors import Unavailable, Undecided
from mantle.store import deeds, marks
from mantle.store.database import Database
from mantle.store.incarnation import Superseded, begin
from mantle.store.tables.drift import drift_policies
from mantle.store.tables.stacks import settings
from mantle.store.tables.writers import writers


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


def put(connection, name):
    connection.execute(insert(settings), {"name": name, "value": "v"})


def names(connection):
    return sorted(connection.scalars(select(settings.c.name)))


def test_a_commit_whose_reply_was_lost_is_not_done_again(server):
    """Its mark is there, so nothing is done: a second insert would clash."""
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


def test_a_number_that_is_given_again_after_a_crash_is_not_taken_for_ours(server):
    """The crash undoes our transaction, and another's commit gets its number: ours is done again.

    The log is not flushed by itself, so the server forgets that it gave our number.
    """
    server.stop()
    server.settings = {"wal_writer_delay": "10s", "wal_writer_flush_after": "0"}
    server.start()
    proxy = Proxy(server.port)
    ours = Database(f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres")
    theirs = Database(server.url())
    ours.create_tables()
    numbers = {}

    def note_number(connection, name):
        put(connection, name)
        number = connection.scalar(text("SELECT pg_current_xact_id()::text::bigint"))
        numbers.setdefault(name, []).append(number)

    def crash():
        server.stop("immediate")
        server.start()
        for number in range(3):
            asyncio.run(theirs.write(note_number, f"theirs{number}"))

    async def story():
        await ours.write(put, "before")
        proxy.lose(b"COMMIT", crash)
        await ours.write(note_number, "ours")
        return await ours.read(names)

    found = asyncio.run(story())
    given = {each[0] for name, each in numbers.items() if name != "ours"}
    ours.close()
    theirs.close()
    proxy.close()
    assert found == ["before", "ours", "theirs0", "theirs1", "theirs2"]
    assert numbers["ours"][0] in given, "the test shows nothing, as the number was not given again"


def test_a_commit_that_is_still_on_its_way_is_waited_for(server):
    """It commits after we have begun again: what it wrote is there once."""
    proxy = Proxy(server.port)
    database = Database(f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres")
    database.create_tables()

    async def story():
        await database.write(put, "before")
        proxy.delay(b"COMMIT", 2.0)
        await database.write(put, "one")
        return await database.read(names)

    assert asyncio.run(story()) == ["before", "one"]
    database.close()
    proxy.close()


def test_a_process_leaves_one_row_however_much_it_writes(server):
    """Nothing grows; and of processes that are gone, the row goes after a week."""
    database, other = Database(server.url()), Database(server.url())
    database.create_tables()

    def numbers(connection):
        return list(connection.scalars(select(writers.c.number)))

    async def story():
        for number in range(20):
            await database.write(put, f"n{number}")
        await database.write(lambda _: None)
        found = await database.read(numbers)
        young = await other.write_fenced(marks.purge, 0.0)
        await other.write_fenced(lambda c: c.execute(writers.update().values(at=1.0)) and None)
        return found, young, await other.write_fenced(marks.purge, 0.0)

    assert asyncio.run(story()) == ([20], 0, 1)
    database.close()
    other.close()


def test_marks_do_not_make_strangers_meet(server):
    """Four processes that write different things at once are not told that they met another."""
    databases = [Database(server.url()) for _ in range(4)]
    databases[0].create_tables()
    calls = []

    def note(connection, name):
        calls.append(name)
        # Not the settings: every transaction that writes reads one of them (see `incarnation`).
        values = {"stack_id": name, "resource": "r", "policy": "ignore"}
        connection.execute(insert(drift_policies), values)

    def work(which):
        async def writes():
            for number in range(60):
                await databases[which].write(note, f"{which}-{number}")

        asyncio.run(writes())

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    for each in databases:
        each.close()
    assert len(set(calls)) == 240
    assert len(calls) < 240 * 1.1


def test_a_process_that_freezes_in_a_transaction_does_not_hold_up_others(server):
    """The server gives its transaction up; when it wakes, all of it is done again."""
    frozen = Database(server.url())
    frozen.create_tables()
    with frozen.engine.connect() as connection:
        limit = connection.scalar(text("SHOW idle_in_transaction_session_timeout"))
    tries = []

    def slow(connection, name):
        if not tries:
            connection.execute(text("SET idle_in_transaction_session_timeout = '200ms'"))
        put(connection, name)
        tries.append(name)
        if len(tries) == 1:
            time.sleep(0.6)

    async def story():
        await frozen.write(slow, "one")
        return await frozen.read(names)

    assert (limit, asyncio.run(story()), len(tries)) == ("20s", ["one"], 2)
    frozen.close()


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


def test_a_commit_that_nobody_confirmed_is_told_as_such_and_found_out(server):
    """What is not known is not called unchanged; the process finds it out when it can, once.

    The reply to the COMMIT is lost and the server stays away: the row is there all the same.
    """
    proxy = Proxy(server.port)
    database = Database(
        f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres", patience_seconds=1.0
    )
    database.create_tables()

    async def story():
        await database.write(put, "before")
        proxy.word, proxy.refuses = b"COMMIT", True
        with deeds.request("req-7"), pytest.raises(Undecided) as told:
            await database.write(put, "one")
        with pytest.raises(Unavailable, match="Nothing was changed"):
            await database.write(put, "two")
        proxy.refuses = False
        with structlog.testing.capture_logs() as logged:
            while not logged:
                await asyncio.sleep(0.1)
        return str(told.value), logged, await database.read(names)

    said, logged, found = asyncio.run(story())
    database.close()
    proxy.close()
    assert "not known" in said
    assert "mantle operation list --request req-7" in said
    assert "Nothing was changed" not in said
    assert [(each["event"], each["request_id"], each["written"]) for each in logged] == [
        ("what was in doubt is known", "req-7", True)
    ]
    assert found == ["before", "one"]


def test_a_commit_that_never_arrived_is_found_out_as_well(server):
    """It is not there, and after that was said it never will be."""
    proxy = Proxy(server.port)
    database = Database(
        f"postgresql://mantle@127.0.0.1:{proxy.port}/postgres", patience_seconds=1.0
    )
    database.create_tables()

    def away():
        proxy.refuses = True

    async def story():
        await database.write(put, "before")
        proxy.lose(b"COMMIT", away)
        with pytest.raises(Undecided):
            await database.write(put, "one")
        proxy.refuses = False
        with structlog.testing.capture_logs() as logged:
            await database.write(put, "two")
        return logged[0]["written"], await database.read(names)

    assert asyncio.run(story()) == (False, ["before", "two"])
    database.close()
    proxy.close()


def test_a_request_that_was_half_written_is_not_called_unchanged(server):
    """Its first transaction is there; another request, which wrote nothing, is told so."""
    database = Database(server.url(), patience_seconds=1.0)
    database.create_tables()

    async def story():
        with deeds.request("req-8"):
            await database.write(put, "first")
            await asyncio.to_thread(server.stop)
            with pytest.raises(Undecided, match="a part of what was asked had been written"):
                await database.read(names)
        with deeds.request("req-9"), pytest.raises(Unavailable, match="Nothing was changed"):
            await database.read(names)

    asyncio.run(story())
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


def test_a_process_that_lived_through_a_restore_writes_nothing_into_it(server):
    """It is told by its next write or look; a process that starts since writes as ever.

    The first one holds what the restore has made the same again: an epoch, for instance.
    """
    server.create_database("mantle")
    url = server.url("mantle")
    stale = Database(url)
    stale.create_tables()
    asyncio.run(stale.write(put, "before"))
    stale.engine.dispose()
    admin = Database(server.url())
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("DROP DATABASE mantle WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE mantle"))
    restored = Database(url)

    async def story():
        late = asyncio.create_task(stale.write(put, "late"))
        # It waits for the tables meanwhile, as for a server that is away.
        await asyncio.sleep(1.0)
        assert not late.done()
        restored.create_tables()
        with restored.engine.begin() as connection:
            begin(connection, "another life")
        told = []
        for work in (late, stale.write_fenced(put, "later"), stale.check_life()):
            try:
                await work
            except Superseded as error:
                told.append(error.remedy.partition(".")[0])
        await restored.write(put, "after")
        await restored.check_life()
        return told, await restored.read(names)

    told, found = asyncio.run(asyncio.wait_for(story(), 120))
    for each in (stale, admin, restored):
        each.close()
    assert told == ["Nothing was changed"] * 3
    assert found == ["after", "incarnation"]
