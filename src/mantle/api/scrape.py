"""The page that Prometheus reads: of a process that serves an API, and of one that does not.

What the rows say is read anew for each look, by one reader at a time and for two seconds at most:
when the database is away or slow, the page says so (`mantle_database_up`) and shows the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from litestar.types import HTTPScope, Receive, Send

from mantle.api.door import Reply, head_of, plain, send_reply
from mantle.api.metrics import Metrics
from mantle.lib import measures
from mantle.lib.clock import Clock
from mantle.store import figures as figure_rows
from mantle.store.database import Database
from mantle.store.figures import Figures

log = structlog.get_logger()

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PATIENCE_SECONDS = 2.0


class Scrape:
    """What one process has to say."""

    def __init__(self, metrics: Metrics, database: Database | None, clock: Clock) -> None:
        self._metrics = metrics
        self._database = database
        self._clock = clock
        self._reading: asyncio.Task[Figures] | None = None

    async def text(self) -> bytes:
        """The exposition format."""
        if self._database is not None:
            self._metrics.figures(await self._figures(self._database))
        return self._metrics.text() + measures.text()

    async def _figures(self, database: Database) -> Figures | None:
        if self._reading is None:
            self._reading = asyncio.create_task(
                database.read(figure_rows.read, self._clock.now()), name="figures"
            )
        done, _ = await asyncio.wait({self._reading}, timeout=PATIENCE_SECONDS)
        if not done:
            return None
        reading, self._reading = self._reading, None
        error = None if reading.cancelled() else reading.exception()
        if error is not None:
            log.warning("the rows could not be counted", error=str(error))
            return None
        return reading.result()


class ScrapePage:
    """`/metrics` and `/healthz` alone, for a port of their own."""

    def __init__(self, text: Callable[[], Awaitable[bytes]]) -> None:
        self._text = text

    async def __call__(self, scope: HTTPScope, _: Receive, send: Send) -> None:
        """Answer one request; its body is not read."""
        call = head_of(scope, "")
        if call.method not in {"GET", "HEAD"}:
            await send_reply(send, call, plain(405, "Only GET.\n"))
        elif call.segments == ("metrics",):
            reply = Reply(body=await self._text(), media_type=MEDIA_TYPE)
            await send_reply(send, call, reply)
        elif call.segments == ("healthz",):
            await send_reply(send, call, Reply(body={"status": "ok"}))
        else:
            await send_reply(send, call, plain(404, "There are /metrics and /healthz.\n"))
