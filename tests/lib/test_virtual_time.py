"""Virtual time: waiting is free, order is kept, and a standstill is said."""

import asyncio

import pytest

from mantle.lib.clock import LoopClock
from mantle.lib.virtual_time import Deadlock, run


def test_sleeping_moves_the_clock_and_the_calendar():
    """An hour asleep is an hour on both, and needs no real time."""

    async def main():
        clock = LoopClock(origin=1000.0)
        before = clock.now()
        await asyncio.sleep(3600)
        return before, clock.now()

    assert run(main()) == (1000.0, 4600.0)


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


@pytest.mark.timeout(20)
def test_a_timer_fires_after_years():
    """Far from its origin a float cannot hold the base loop's nanosecond; timers still fire."""

    async def main():
        await asyncio.sleep(20 * 365 * 86400)
        await asyncio.sleep(0.5)
        return asyncio.get_running_loop().time()

    assert run(main()) == pytest.approx(20 * 365 * 86400 + 0.5)


def test_a_standstill_is_an_error():
    """Nothing ready and no timer: the loop says so, and does not hang."""

    async def main():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock, match="no timer is set"):
        run(main())
