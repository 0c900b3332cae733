"""An event loop in virtual time: nothing waits, the clock jumps to the next timer.

A day of polling runs in milliseconds and always in the same order, so a run can be repeated. Only
for programs whose waiting is all timers and futures: a thread or a socket has no place in it, and a
loop that has neither a ready callback nor a timer is reported as the deadlock it is.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(RuntimeError):
    """Everything waits and nothing will ever wake it."""


class _Selector(selectors.DefaultSelector):
    """Never waits: it tells the loop how far to jump instead."""

    def __init__(self) -> None:
        super().__init__()
        self.jump = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        """Answer at once; the loop has asked to sleep for `timeout`."""
        found = super().select(0)
        if found:
            return found
        if timeout is None:
            raise Deadlock("every task waits, and no timer is set to wake one")
        self.jump += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A selector loop whose `time()` is virtual."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)
        # The base loop fires what is due within a nanosecond. After 97 virtual days a float is
        # coarser than that, and a timer that is due exactly now would be waited for forever.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Seconds of virtual time since the loop was made."""
        return self._virtual.jump


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end in virtual time, as `asyncio.run` does in real time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)
