"""Calls of one project: in bounded threads, at each service's pace, tried again where that is safe.

Note on trying again. What only reads, or does the same when done twice, is repeated here. A POST is
repeated only when the service said that it did nothing (429, 401). When its answer was lost, the
object may exist: the error goes up as `Unavailable`, the engine calls the phase again, and the
phase looks for its token before it acts.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from mantle.clouds.openstack.door import Door, Reply, Request
from mantle.clouds.openstack.errors import Busy, Lost, Service, meaning
from mantle.clouds.ports import CloudError

PATIENCE = 3
"""Tries of one call; the engine has more patience, and looks in between."""
LONGEST_PAUSE_SECONDS = 30.0
"""A `Retry-After` beyond this is not slept through here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How hard one service may be worked."""

    at_once: int = 8
    per_second: float = 40.0


class Places:
    """So many at once; who only reads goes first.

    A hundred creates do not hold up the one look that lets the next step begin.
    """

    def __init__(self, many: int) -> None:
        self._free = many
        self._reads: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    async def acquire(self, *, reads: bool) -> None:
        """Wait for a place."""
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        (self._reads if reads else self._others).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                # It was given a place in the moment it gave up.
                self.release()
            raise

    def release(self) -> None:
        """Leave it to whoever waits."""
        for waiting in (self._reads, self._others):
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1


class Gate:
    """Keeps one service's pace for all projects of a cloud."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._places = Places(pace.at_once)
        self._next = 0.0
        self._closed_until = 0.0

    def close(self, seconds: float) -> None:
        """Nobody calls for so long: the service asked for it."""
        until = asyncio.get_running_loop().time() + min(seconds, LONGEST_PAUSE_SECONDS)
        self._closed_until = max(self._closed_until, until)

    @asynccontextmanager
    async def passed(self, *, reads: bool) -> AsyncIterator[None]:
        """Inside one may call."""
        await self._places.acquire(reads=reads)
        try:
            await self._turn()
            yield
        finally:
            self._places.release()

    async def _turn(self) -> None:
        loop = asyncio.get_running_loop()
        turn = max(self._next, self._closed_until, loop.time())
        self._next = turn + 1.0 / self._pace.per_second
        await asyncio.sleep(turn - loop.time())
        # Closed again while this one waited for its turn.
        await asyncio.sleep(max(0.0, self._closed_until - loop.time()))


@dataclass(slots=True)
class Workshop:
    """What all projects of one cloud share: threads, gates and counts."""

    threads: ThreadPoolExecutor
    pace: Mapping[Service, Pace]
    gates: dict[Service, Gate] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    """By `service method`."""

    def gate(self, service: Service) -> Gate:
        """The service's gate."""
        if service not in self.gates:
            self.gates[service] = Gate(self.pace.get(service, Pace()))
        return self.gates[service]

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """In one of the threads."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, function, *arguments)


class Caller:
    """Sends one project's requests."""

    def __init__(self, workshop: Workshop, open_door: Callable[[], Door]) -> None:
        self.workshop = workshop
        self.opener = open_door
        self._door: Door | None = None
        self._opening = asyncio.Lock()

    async def door(self) -> Door:
        """The connection; the first use logs in."""
        if self._door is None:
            async with self._opening:
                if self._door is None:
                    self._door = await self.workshop.run(self.opener)
        return self._door

    async def get(self, service: Service, path: str, *params: tuple[str, str]) -> Any:
        """The body of a GET."""
        return await self.send(Request(service=service, method="GET", path=path, params=params))

    async def post(self, service: Service, path: str, body: Any) -> Any:
        """The body of the answer to a POST."""
        return await self.send(Request(service=service, method="POST", path=path, body=body))

    async def put(self, service: Service, path: str, body: Any = None) -> Any:
        """The body of the answer to a PUT."""
        return await self.send(Request(service=service, method="PUT", path=path, body=body))

    async def patch(self, service: Service, path: str, body: Any) -> Any:
        """The body of the answer to a PATCH."""
        return await self.change("PATCH", service, path, body)

    async def change(self, method: str, service: Service, path: str, body: Any) -> Any:
        """The same by whichever method the service changes things."""
        return await self.send(Request(service=service, method=method, path=path, body=body))

    async def delete(self, service: Service, path: str) -> None:
        """A DELETE has no answer worth having."""
        await self.send(Request(service=service, method="DELETE", path=path))

    async def send(self, request: Request) -> Any:
        """The answer's body, or the error it means."""
        gate = self.workshop.gate(request.service)
        door = await self.door()
        for left in reversed(range(PATIENCE)):
            async with gate.passed(reads=request.method == "GET"):
                reply, error = await self._once(door, request)
            if error is None:
                return reply.body
            if left == 0 or not _may_repeat(request, reply, error):
                raise error
            pause = reply.retry_after_seconds
            gate.close(pause if pause is not None else 0.5 * (PATIENCE - left))
        raise AssertionError("the last try returns or raises")

    async def _once(self, door: Door, request: Request) -> tuple[Reply, CloudError | None]:
        self.workshop.calls[f"{request.service.value} {request.method}"] += 1
        try:
            reply: Reply = await self.workshop.run(door.send, request)
        except Lost as lost:
            return Reply(status=0), lost
        return reply, meaning(
            request.service,
            request.method,
            request.path,
            reply.status,
            reply.body,
            reply.text,
            reply.request_id,
        )


def _may_repeat(request: Request, reply: Reply, error: CloudError) -> bool:
    if (reply.retry_after_seconds or 0.0) > LONGEST_PAUSE_SECONDS:
        return False
    # Turned away at the door, with 429 or 401: nothing was done. Credentials that are wrong are
    # told by the log-in itself; a service that does not take a fresh token may do so in a moment.
    if isinstance(error, Busy) or reply.status == 401:
        return True
    passing = isinstance(error, Lost) or reply.status in {500, 502, 503, 504}
    return passing and request.method in {"GET", "PUT", "PATCH", "DELETE"}
