"""The HTTP servers of one process: how they begin, and how they leave without anybody noticing."""

import asyncio
import contextlib
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Any, cast

import uvicorn

GRACE_SECONDS = 5
"""For requests under way, once no new ones are taken."""

IDLE_SECONDS = 75
"""How long a connection is kept for its next request. Longer than clients pause between two looks:
Heat's wait for a stack with one each 5 s, and whoever is asked just as it closes has lost it."""


class Server(uvicorn.Server):
    """Told to end (SIGTERM), it goes on answering for a while and says at `/readyz` that it leaves.

    By then a load balancer has seen it, and no request is on its way any more. A second signal, or
    Ctrl-C, ends it at once.
    """

    def __init__(self, drain_seconds: float) -> None:
        super().__init__(uvicorn.Config(_nothing, log_config=None, access_log=False))
        self.config.timeout_graceful_shutdown = GRACE_SECONDS
        self.config.timeout_keep_alive = IDLE_SECONDS
        self.drain_seconds = drain_seconds
        self._ends_at: float | None = None

    @property
    def leaves(self) -> bool:
        """Whether it has been told to end."""
        return self._ends_at is not None or self.should_exit

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave at SIGTERM; end at once where there is nothing to wait for."""
        if sig == signal.SIGTERM and self.drain_seconds and self._ends_at is None:
            self._ends_at = time.monotonic() + self.drain_seconds
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end now."""
        if self._ends_at is not None and time.monotonic() >= self._ends_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def serve_app(self, app: Any, listener: socket.socket) -> None:
        """Until it has ended."""
        self.config.app = app
        await self.serve(sockets=[listener])


async def _nothing(*_: object) -> None:
    """Stands where the application will be: that asks the server whether it leaves."""


class _Quiet(uvicorn.Server):
    """A second server, which ends when the first has: signals are the first's alone."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


@contextlib.asynccontextmanager
async def beside(app: object, listener: socket.socket | None) -> AsyncIterator[None]:
    """Serve another application on its own port, when it has one, for as long as the context."""
    if listener is None:
        yield
        return
    config = uvicorn.Config(
        cast("Any", app),  # Litestar's and uvicorn's types for ASGI differ in name only
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_keep_alive=IDLE_SECONDS,
    )
    server = _Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await serving
