"""Virtual time: waiting is free, order is kept, and a standstill is said."""

import asyncio
import threading
import time

import pytest

from mantle.lib.clock import LoopClock
from mantle.lib.virtual_time import Deadlock, VirtualLoop, run


def test_an_hour_takes_no_time():
    """Sleeping moves the loop's time, and the calendar with it, and nothing else."""

    async def main():
        clock = LoopClock(origin=1000.0)
        before = clock.now()
        await asyncio.sleep(3600)
        return before, clock.now()

    started = time.monotonic()
    assert run(main()) == (1000.0, 4600.0)
    assert time.monotonic() - started < 60


def test_tasks_wake_in_the_order_of_their_timers():
    """Two runs give one order: that of the times asked for, then of asking."""

    async def main():
        seen = []

        async def sleeper(name, seconds):
            await asyncio.sleep(seconds)
            seen.append((name, asyncio.get_running_loop().time()))

        await asyncio.gather(sleeper("c", 0.3), sleeper("a", 0.1), sleeper("b", 0.1))
        return seen

    assert run(main()) == run(main()) == [("a", 0.1), ("b", 0.1), ("c", 0.3)]


def test_days_are_jumped():
    """The base loop sleeps a day at most at once; a year is 365 jumps."""

    async def main():
        await asyncio.sleep(365 * 86400)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(365 * 86400)


def test_time_stands_still_while_a_thread_works():
    """A timeout beside a call in a worker thread does not fire before the call ends."""

    async def main():
        gate = threading.Event()
        threading.Timer(0.05, gate.set).start()
        async with asyncio.timeout(0.001):
            await asyncio.to_thread(gate.wait)
        return asyncio.get_running_loop().time()

    assert run(main()) == 0.0


def test_a_foreign_thread_is_given_patience():
    """A thread the loop does not know of may call back within the patience."""

    async def main():
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        threading.Timer(
            0.05, lambda: loop.call_soon_threadsafe(future.set_result, "called back")
        ).start()
        return await future

    assert run(main(), patience_seconds=30) == "called back"


def test_a_standstill_is_an_error_that_names_who_waits():
    """Nothing ready and no timer: the loop says which task waits where, and does not hang."""

    async def main():
        asyncio.current_task().set_name("the waiter")
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match=r"the waiter at .*test_virtual_time.py:\d+"):
        run(main(), patience_seconds=0)


def test_time_starts_where_asked():
    async def main():
        return asyncio.get_running_loop().time()

    assert run(main(), start=50.0) == 50.0


def test_outside_holds_time_still():
    """Inside `outside()` a timer does not fire until the real event came."""

    async def main():
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        future = loop.create_future()
        with loop.outside():
            threading.Timer(
                0.05, lambda: loop.call_soon_threadsafe(future.set_result, None)
            ).start()
            async with asyncio.timeout(0.001):
                await future
        return loop.time()

    assert run(main()) == 0.0
