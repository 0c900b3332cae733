"""Hears PostgreSQL's word that there is something in the queue.

The word is only a hint: whoever misses it, because the connection broke, looks every second.
"""

import asyncio
from collections.abc import Callable

import psycopg
import structlog
from sqlalchemy import make_url

from mantle.lib.looping import Loop
from mantle.store.leases import CHANNEL

log = structlog.get_logger()

AGAIN_SECONDS = 2.0


class Listener(Loop):
    """One connection that only listens. Opened and closed with the engine."""

    name = "listener"

    def __init__(self, url: str, heard: Callable[[], None]) -> None:
        plain = make_url(url).set(drivername="postgresql")
        self._url = plain.render_as_string(hide_password=False)
        self._heard = heard

    async def _run(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(
                    self._url, autocommit=True, connect_timeout=10, application_name="mantle-listen"
                ) as connection:
                    await connection.execute(f"LISTEN {CHANNEL}")
                    self._heard()
                    async for _ in connection.notifies():
                        self._heard()
            except psycopg.Error as error:
                log.warning("the database's word is not heard", error=str(error).strip())
            await asyncio.sleep(AGAIN_SECONDS)
