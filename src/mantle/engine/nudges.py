"""Wake-ups: a nudge carries no data, so that there is one way to read what changed.

Whoever waits takes a ticket, reads the rows, and only then sleeps on the ticket: a change between
reading and sleeping wakes it at once. A timeout bounds every sleep, because what another process
nudges (`store/listening.py`) may be lost on its way.
"""

import asyncio
import threading
import weakref
from collections.abc import Callable, Hashable


class Nudges:
    """Keys to whoever waits for them.

    A ticket lives as long as someone holds it: keys that nobody ever nudges leave nothing behind.
    """

    def __init__(self) -> None:
        self._waiting: weakref.WeakValueDictionary[Hashable, asyncio.Event] = (
            weakref.WeakValueDictionary()
        )
        self._sleepers: tuple[asyncio.AbstractEventLoop | None, int] = None, 0
        """The loop in which tickets are waited for, and its thread."""
        self.tell: Callable[[Hashable], None] | None = None
        """Tells other processes of a key, where there are any."""

    def ticket(self, key: Hashable) -> asyncio.Event:
        """Take this before reading; wait on it after."""
        return self._waiting.setdefault(key, asyncio.Event())

    def nudge(self, key: Hashable) -> None:
        """Something about this key changed."""
        self.heard(key)
        if self.tell is not None:
            self.tell(key)

    def heard(self, key: Hashable) -> None:
        """Something about this key changed in another process.

        Also from another thread: the sleepers' own one then wakes them.
        """
        loop, thread = self._sleepers
        if loop is not None and thread != threading.get_ident():
            loop.call_soon_threadsafe(self._wake, key)
        else:
            self._wake(key)

    def _wake(self, key: Hashable) -> None:
        event = self._waiting.pop(key, None)
        if event is not None:
            event.set()

    async def sleep(self, ticket: asyncio.Event, timeout_seconds: float) -> None:
        """Until the ticket is nudged, or the timeout."""
        self._sleepers = asyncio.get_running_loop(), threading.get_ident()
        try:
            async with asyncio.timeout(timeout_seconds):
                await ticket.wait()
        except TimeoutError:
            return

    def forget(self, *keys: Hashable) -> None:
        """Nobody will nudge these again; whoever still waits wakes."""
        for key in keys:
            self.heard(key)
