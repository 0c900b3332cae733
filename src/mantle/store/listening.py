"""Processes on one PostgreSQL wake each other: what is nudged in one is nudged in all.

What was nudged within a moment is told together, on a connection of its own. NOTIFY inside the
transactions that write would be sure to come, and would make all commits wait for each other; this
one may be lost, with its process or its connection, so whoever waits also looks every second.
"""

import asyncio
from collections.abc import Callable, Collection, Hashable, Iterator

import msgspec
import psycopg
import structlog
from sqlalchemy import make_url

from mantle.lib.looping import Loop
from mantle.store.leases import CHANNEL

log = structlog.get_logger()

NUDGES = "mantle_nudges"
"""Where keys are told; `CHANNEL` says only that there is something in the queue."""

AGAIN_SECONDS = 2.0
GATHER_SECONDS = 0.01
"""How long what is nudged waits for more of it."""

MOST = 100
"""Keys in one notice, which PostgreSQL bounds at 8,000 bytes."""

MOST_PENDING = 10_000
"""More keys than that are not kept for a database that is away: their waiters look anyway."""


def encoded(sender: str, keys: Collection[Hashable]) -> Iterator[str]:
    """Keys, which are texts or tuples of texts, as the notices that tell them."""
    told = list(keys)
    for start in range(0, len(told), MOST):
        yield msgspec.json.encode([sender, *told[start : start + MOST]]).decode()


def decoded(payload: str) -> tuple[str, list[Hashable]]:
    """Who told, and which keys; nothing for what is no notice of ours."""
    try:
        sender, *told = msgspec.json.decode(payload, type=list[str | list[str]])
    except (msgspec.MsgspecError, ValueError):
        return "", []
    return str(sender), [tuple(key) if isinstance(key, list) else key for key in told]


class Listener(Loop):
    """One connection that only listens. Opened and closed with its process."""

    name = "listener"

    def __init__(
        self, url: str, me: str, queue: Hashable, heard: Callable[[Hashable], None]
    ) -> None:
        self._url = plain(url)
        self._me = me
        self._queue = queue
        self._heard = heard
        self.listening = asyncio.Event()

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=10, application_name="mantle-listen"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    await connection.execute(f"LISTEN {NUDGES}")
                    self._heard(self._queue)
                    self.listening.set()
                    async for notice in connection.notifies():
                        self._take(notice)
            except psycopg.Error as error:
                log.warning("the database's word is not heard", error=str(error).strip())
            await asyncio.sleep(AGAIN_SECONDS)

    def _take(self, notice: psycopg.Notify) -> None:
        if notice.channel == CHANNEL:
            self._heard(self._queue)
            return
        sender, keys = decoded(notice.payload)
        if sender != self._me:
            for key in keys:
                self._heard(key)


class Herald(Loop):
    """Tells the other processes what was nudged here. Opened and closed with its process."""

    name = "herald"

    def __init__(
        self, url: str, me: str, queue: Hashable, quiet: Collection[Hashable] = ()
    ) -> None:
        self._url = plain(url)
        self._me = me
        self._queue = queue
        self._quiet = frozenset(quiet)
        """What only this process need know."""
        self._pending: dict[Hashable, None] = {}
        self._some = asyncio.Event()

    def tell(self, key: Hashable) -> None:
        """Soon, and together with others."""
        if key not in self._quiet and len(self._pending) < MOST_PENDING:
            self._pending[key] = None
            self._some.set()

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=10, application_name="mantle-tell"
                ) as connection:
                    while True:
                        await self._some.wait()
                        await asyncio.sleep(GATHER_SECONDS)
                        await self._send(connection)
            except psycopg.Error as error:
                log.warning("other processes are not told what happens", error=str(error).strip())
            await asyncio.sleep(AGAIN_SECONDS)

    async def _send(self, connection: "psycopg.AsyncConnection[tuple[object, ...]]") -> None:
        self._some.clear()
        keys, self._pending = self._pending, {}
        if self._queue in keys:
            # A channel of its own, which engines of the release before listen to as well.
            del keys[self._queue]
            await connection.execute(f"NOTIFY {CHANNEL}")
        for payload in encoded(self._me, keys):
            await connection.execute("SELECT pg_notify(%s, %s)", (NUDGES, payload))


def plain(url: str) -> str:
    """As psycopg takes it."""
    address = make_url(url).set(drivername="postgresql")
    return address.render_as_string(hide_password=False)
