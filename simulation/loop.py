"""An event loop in virtual time that can stop one process and let the others go on.

All processes of a simulation share one loop, one thread and one clock. Which process a callback
belongs to is in its context, which tasks and timers inherit. A process that is dead runs nothing
any more, not even a `finally`, as after `kill -9`; one that is frozen runs nothing until it thaws,
and then all that came due meanwhile, as after SIGSTOP and SIGCONT.

It is stricter than `mantle.lib.virtual_time`: there is no selector at all, work for threads is done
in line, and tasks and futures have hashes of their own, so that a set of them is gone through in
the order they were made and not by their addresses.
"""

import asyncio
import contextvars
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_PROCESS: contextvars.ContextVar["Process | None"] = contextvars.ContextVar(
    "simulated_process", default=None
)
_RESOLUTION = 1e-6
"""What is due within a microsecond is due now: floats are coarser than timers' sums."""


MOST_TURNS = 1_000_000
"""Callbacks of one run, at most: some thirty times what a long one needs."""

MOST_AT_ONCE = 50_000
"""Callbacks at one moment, at most: more means that something turns in a circle."""


class Deadlock(RuntimeError):
    """Everything waits, and nothing will ever wake it."""


class Livelock(Deadlock):
    """Something turns in a circle: it runs and runs, and nothing comes of it."""


class Process:
    """What lives and dies together."""

    def __init__(self, name: str, loop: "SimulationLoop") -> None:
        self.name = name
        self.loop = loop
        self.alive = True
        self.frozen = False
        self.ended = asyncio.Event()
        self.context = contextvars.Context()
        self.context.run(_PROCESS.set, self)
        self._held: list[asyncio.Handle] = []
        self._kept: list[object] = []

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A task of this process."""
        return self.loop.create_task(work, context=self.context)

    def kill(self) -> None:
        """Nothing of it runs any more, from the next callback on."""
        self.alive = False
        self.loop.outside(self.ended.set)

    def freeze(self, seconds: float) -> None:
        """Nothing of it runs until then."""
        self.frozen = True
        self.loop.call_later(seconds, self._thaw, context=contextvars.Context())

    def _thaw(self) -> None:
        self.frozen = False
        held, self._held = self._held, []
        if self.alive:
            self.loop.resume(held)

    def hold(self, handle: asyncio.Handle) -> None:
        """Keep a callback for later; a dead process's for ever, so that nothing of it unwinds."""
        (self._held if self.alive else self._kept).append(handle)

    def keep(self, thing: object) -> None:
        """Keep it from being collected before its time."""
        self._kept.append(thing)


def process_here() -> Process | None:
    """Whose code is running."""
    return _PROCESS.get()


class _Task(asyncio.Task[Any]):
    """With a hash that is a number of order."""

    number = 0

    def __hash__(self) -> int:
        return self.number


class _Future(asyncio.Future[Any]):
    number = 0

    def __hash__(self) -> int:
        return self.number


class SimulationLoop(asyncio.BaseEventLoop):
    """Single-threaded to the bone. `time()` is seconds of virtual time."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._numbers = 0
        self._clock_resolution = _RESOLUTION
        self.turns = 0
        """Callbacks run."""
        self._turns_before = 0
        """Those of them that ran before this moment of virtual time."""
        self.set_task_factory(self._made)
        self.complaints: list[str] = []
        """What tasks ended with although nobody looked."""
        self.set_exception_handler(self._complained)

    def time(self) -> float:
        """Virtual."""
        return self._now

    def outside(self, callback: Callable[[], object]) -> None:
        """Call it soon, in no process's name."""
        self.call_soon(callback, context=contextvars.Context())

    def resume(self, held: list[asyncio.Handle]) -> None:
        """Run these soon, in this order."""
        self._ready.extend(held)  # type: ignore[attr-defined]

    def create_future(self) -> Any:
        """With a hash that repeats."""
        future = _Future(loop=self)
        self._numbers += 1
        future.number = self._numbers
        return future

    def _made(self, _: Any, work: Any, **options: Any) -> Any:
        task = _Task(work, loop=self, **options)
        self._numbers += 1
        task.number = self._numbers
        context = options.get("context")
        process = _PROCESS.get() if context is None else context.get(_PROCESS)
        if process is not None:
            process.keep(task)
        return task

    def _complained(self, _: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None:
            self.complaints.append(f"{context.get('message')}: {error!r}")

    def run_in_executor(self, executor: Any, function: Any, *args: Any) -> Any:  # type: ignore[override] # noqa: ARG002 - there is none
        """In line."""
        future = self.create_future()
        try:
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001 - it is the caller's, as from a thread
            future.set_exception(error)
        return future

    def _write_to_self(self) -> None:
        """Nobody is asleep."""

    def _run_once(self) -> None:
        """One round: what is due by now, in order."""
        ready: Any = self._ready  # type: ignore[attr-defined]
        scheduled: Any = self._scheduled  # type: ignore[attr-defined]
        while scheduled and scheduled[0]._cancelled:  # noqa: SLF001 - asyncio's own, as its loops do
            heapq.heappop(scheduled)._scheduled = False  # noqa: SLF001
        if not ready:
            if not scheduled:
                raise Deadlock("every task waits, and no timer is set to wake one")
            self._reach(scheduled[0]._when)  # noqa: SLF001
        due = self._now + _RESOLUTION
        while scheduled and scheduled[0]._when <= due:  # noqa: SLF001
            handle = heapq.heappop(scheduled)
            handle._scheduled = False  # noqa: SLF001
            # Time goes with them: who waits for a moment that is nearer than the resolution would
            # else be woken before it, again and again.
            self._reach(handle._when)  # noqa: SLF001
            ready.append(handle)
        self._bounded()
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:  # noqa: SLF001
                continue
            process = handle._context.get(_PROCESS)  # noqa: SLF001
            if process is not None and (process.frozen or not process.alive):
                process.hold(handle)
                continue
            self.turns += 1
            handle._run()  # noqa: SLF001

    def _reach(self, moment: float) -> None:
        """It is this late now."""
        if moment > self._now:
            self._now = moment
            self._turns_before = self.turns

    def _bounded(self) -> None:
        """A run that would never end is a failure of its own, and not a silence."""
        if self.turns - self._turns_before > MOST_AT_ONCE:
            raise Livelock(f"{MOST_AT_ONCE} callbacks in a row, and time stands at {self._now:.6f}")
        if self.turns > MOST_TURNS:
            raise Livelock(f"{MOST_TURNS} callbacks, and no end by {self._now:.0f} s")
