"""The way to the database's threads: what waits there is counted, and how slow it goes is known."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from mantle.lib import measures

T = TypeVar("T")

FORGOTTEN_SECONDS = 10.0
"""How long the last transaction's slowness is held against the database."""


class Gate:
    """To one pool of threads."""

    def __init__(self, pool: str, connections: int) -> None:
        self._waiting = measures.DATABASE_WAIT_SECONDS.labels(pool)
        self._lasting = measures.DATABASE_SECONDS.labels(pool)
        self._pending = measures.DATABASE_PENDING.labels(pool)
        measures.DATABASE_CONNECTIONS.labels(pool).set(connections)
        self._began: dict[int, float] = {}
        self._number = 0
        self._last = (0.0, 0.0)

    @property
    def pending(self) -> int:
        """Transactions that wait or are under way."""
        return len(self._began)

    def strain_seconds(self) -> float:
        """How long the oldest has been waiting, or the last one took a moment ago."""
        now = time.perf_counter()
        # Others come and go in the loop's thread alone, in which this is asked as well.
        oldest = next(iter(self._began.values()), now)
        ended, took = self._last
        return max(now - oldest, took if now - ended < FORGOTTEN_SECONDS else 0.0)

    async def pass_through(self, executor: ThreadPoolExecutor | None, work: Callable[[], T]) -> T:
        """Do it on the pool's thread, or on this one where there is no pool."""
        if executor is None:
            return work()
        self._number += 1
        number, asked = self._number, time.perf_counter()
        self._began[number] = asked
        self._pending.inc()

        def timed() -> T:
            begun = time.perf_counter()
            self._waiting.observe(begun - asked)
            try:
                return work()
            finally:
                self._lasting.observe(time.perf_counter() - begun)

        try:
            return await asyncio.get_running_loop().run_in_executor(executor, timed)
        finally:
            now = time.perf_counter()
            self._last = (now, now - asked)
            del self._began[number]
            self._pending.dec()
