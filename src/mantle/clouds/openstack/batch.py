"""One list call answers everybody who waits.

A hundred servers being built are polled by a hundred phases. Each asks for its own; whoever asks
while a call is on its way is served by the next, which lists what all of them asked for. So the
number of calls depends on time, not on the number of resources.

Note on truth. An answer must not be older than its question: a phase that has just deleted an
object asks whether it is gone. Therefore nobody joins a call that was sent before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")


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
        self._next = 0.0
        self._task: asyncio.Task[None] | None = None

    async def ask(self, key: KeyT) -> ValueT | None:
        """What there is for the key, or None."""
        future: asyncio.Future[ValueT | None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, []).append(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve())
        return await future

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            # At least one turn of the loop: those who ask at the same moment share the call.
            await asyncio.sleep(max(0.0, self._next - loop.time()))
            batch, self._waiting = self._waiting, {}
            began = loop.time()
            (found,) = await asyncio.gather(self._fetch(list(batch)), return_exceptions=True)
            # A slow service is left alone for as long as it took.
            self._next = max(began + self._pause, loop.time() + (loop.time() - began))
            for key, futures in batch.items():
                for future in futures:
                    if future.done():
                        continue
                    if isinstance(found, BaseException):
                        future.set_exception(found)
                    else:
                        future.set_result(found.get(key))
