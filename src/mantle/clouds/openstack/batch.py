"""One list call answers everybody who waits.

A hundred servers being built are polled by a hundred phases. Each asks for its own; whoever asks
while a call is on its way is served by the next, which lists what all of them asked for. So the
number of calls depends on time, not on the number of resources.

Those who ask again and again are many in the midst of a great change and few at its end, and one
of a hundred that is found done a little later is a hundredth of the change: the more they are, the
longer the pause. Who asks for the first time does not wait for them.

Note on truth. An answer must not be older than its question: a phase that has just deleted an
object asks whether it is gone. Therefore nobody joins a call that was sent before they asked.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

EACH_SECONDS = 0.16
"""What each of those who ask again adds to the pause."""
LONGEST_SECONDS = 8.0
"""The pause of however many."""
KNOWN_SECONDS = 60.0
"""Who asks once more within that asks again."""


class Batch(Generic[KeyT, ValueT]):
    """Collects questions about keys; `fetch` answers many at once."""

    def __init__(
        self,
        fetch: Callable[[Sequence[KeyT]], Awaitable[Mapping[KeyT, ValueT]]],
        *,
        pause_seconds: float,
    ) -> None:
        self._fetch = fetch
        self._pause = pause_seconds
        self._waiting: dict[KeyT, list[asyncio.Future[ValueT | None]]] = {}
        self._known: dict[KeyT, float] = {}
        """Until when a question about a key counts as asked again."""
        self._new = asyncio.Event()
        self._soonest = 0.0
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    async def ask(self, key: KeyT) -> ValueT | None:
        """What there is for the key, or None."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[ValueT | None] = loop.create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._known.get(key, 0.0) < loop.time():
            self._new.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        return await future

    def foresee(self, key: KeyT) -> None:
        """Something was begun that takes a while: the first question about it is one of many."""
        self._known[key] = asyncio.get_running_loop().time() + KNOWN_SECONDS

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            await self._turn()
            batch, self._waiting = self._waiting, {}
            self._new.clear()
            began = loop.time()
            (found,) = await asyncio.gather(self._fetch(list(batch)), return_exceptions=True)
            ended = loop.time()
            again = sum(self._known.get(key, 0.0) >= began for key in batch)
            # A slow service is left alone for as long as it took.
            self._soonest = max(began + self._pause, ended + (ended - began))
            self._next = max(self._soonest, began + min(LONGEST_SECONDS, EACH_SECONDS * again))
            self._known = {key: until for key, until in self._known.items() if until > ended}
            self._known |= dict.fromkeys(batch, ended + KNOWN_SECONDS)
            for key, futures in batch.items():
                for future in futures:
                    if future.done():
                        continue
                    if isinstance(found, BaseException):
                        future.set_exception(found)
                    else:
                        future.set_result(found.get(key))

    async def _turn(self) -> None:
        """Wait for the next call: those who ask for the first time bring it forward."""
        loop = asyncio.get_running_loop()
        # At least one turn of the loop: those who ask at the same moment share the call.
        await asyncio.sleep(max(0.0, self._soonest - loop.time()))
        if (left := self._next - loop.time()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._new.wait(), left)
