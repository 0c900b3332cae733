"""What is nudged in one process is nudged in all that share the database."""

import asyncio
import os
import sys
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from databases import empty_database_url

from mantle.engine.nudges import Nudges
from mantle.store import listening
from mantle.store.listening import NUDGES, Herald, Listener, decoded, encoded, plain

needs_postgres = pytest.mark.skipif(
    "MANTLE_TEST_POSTGRES" not in os.environ, reason="make test-postgres runs this on PostgreSQL"
)
LOST = 20.0
"""Seconds after which a nudge has not come."""

keys = st.one_of(st.uuids().map(str), st.tuples(st.sampled_from(["cancel", "hooks"]), st.text()))


class Process:
    """The waking side of one process."""

    def __init__(self, url, name, quiet=()):
        self.nudges = Nudges()
        self.herald = Herald(url, name, "queue", quiet)
        self.nudges.tell = self.herald.tell
        self.listener = Listener(url, name, "queue", self.nudges.heard)

    async def __aenter__(self):
        await self.herald.open()
        await self.listener.open()
        await asyncio.wait_for(self.listener.listening.wait(), LOST)
        return self

    async def __aexit__(self, *_):
        await self.listener.close()
        await self.herald.close()


@given(st.lists(keys, unique=True, max_size=300))
def test_keys_are_told_as_they_are(told):
    """However many: what one notice cannot hold is in the next."""
    heard = [decoded(payload) for payload in encoded("me", told)]
    assert [key for _, keys in heard for key in keys] == told
    assert {sender for sender, _ in heard} <= {"me"}


@pytest.mark.parametrize(
    "payload", ["", "{}", "[]", "[1]", '["me", 3]', "[" * 5000, "\x00", "[[]]"]
)
def test_what_is_no_notice_of_ours_is_passed_over(payload):
    """Whoever may connect to the database can say anything there."""
    assert decoded(payload)[1] == []


@needs_postgres
def test_a_nudge_wakes_whoever_waits_in_another_process():
    """With the same key: a text, a pair, and the queue, which has a channel of its own."""
    url = plain(empty_database_url())

    async def story():
        async with Process(url, "one") as one, Process(url, "two") as two:
            for key in ("stack", ("cancel", "operation"), "queue"):
                ticket = two.nudges.ticket(key)
                one.nudges.nudge(key)
                await asyncio.wait_for(ticket.wait(), LOST)

    asyncio.run(story())


@needs_postgres
def test_what_is_a_process_s_own_concern_is_not_told():
    """Of two nudges only the second comes; it comes behind the first."""
    url = plain(empty_database_url())

    async def story():
        async with Process(url, "one", quiet=["sinks"]) as one, Process(url, "two") as two:
            own, other = two.nudges.ticket("sinks"), two.nudges.ticket("stack")
            one.nudges.nudge("sinks")
            one.nudges.nudge("stack")
            await asyncio.wait_for(other.wait(), LOST)
            return own.is_set()

    assert asyncio.run(story()) is False


@needs_postgres
def test_words_are_told_again_after_the_connection_broke(monkeypatch):
    """All connections are ended by the server; both ends come back by themselves."""
    monkeypatch.setattr(listening, "AGAIN_SECONDS", 0.1)
    url = plain(empty_database_url())
    ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s"

    async def story():
        async with Process(url, "one") as one, Process(url, "two") as two:
            two.listener.listening.clear()
            async with await psycopg.AsyncConnection.connect(url, autocommit=True) as other:
                await other.execute(ended, ("mantle-listen",))
                await other.execute(ended, ("mantle-tell",))
                await asyncio.wait_for(two.listener.listening.wait(), LOST)
                await other.execute("SELECT pg_notify(%s, 'no notice of ours')", (NUDGES,))
            ticket = two.nudges.ticket("stack")
            while not ticket.is_set():
                one.nudges.nudge("stack")
                await asyncio.sleep(0.05)

    asyncio.run(asyncio.wait_for(story(), 60))
