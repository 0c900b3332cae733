"""Time as an argument: a real clock, and one that follows an event loop's virtual time."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Answers the time in seconds since the epoch, UTC."""

    def now(self) -> float: ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch, UTC."""
        return time.time()


class LoopClock:
    """Follows the running loop's time, so that a loop in virtual time moves the calendar too."""

    def __init__(self, origin: float = 1_800_000_000.0) -> None:
        self._origin = origin

    def now(self) -> float:
        """Seconds since the epoch: the origin plus the loop's time."""
        return self._origin + asyncio.get_running_loop().time()
