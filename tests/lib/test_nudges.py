"""Wake-ups come to whoever sleeps, whichever thread they come from."""

import asyncio
import threading

import pytest

from mantle.engine.nudges import Nudges


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_nudge_wakes_all_who_sleep_on_its_key(elsewhere):
    """From the loop itself, and from a thread of the database: at once, not at the timeout."""
    nudges = Nudges()

    async def story():
        ticket = nudges.ticket("k")
        sleeping = [asyncio.create_task(nudges.sleep(ticket, 600.0)) for _ in range(3)]
        await asyncio.sleep(0)
        if elsewhere:
            thread = threading.Thread(target=nudges.nudge, args=("k",))
            thread.start()
            await asyncio.to_thread(thread.join)
        else:
            nudges.nudge("k")
        done, _ = await asyncio.wait(sleeping, timeout=60)
        return len(done)

    assert asyncio.run(story()) == 3


def test_sleepers_are_touched_in_their_own_thread_alone():
    """They come and go in it: a set of them that is walked in another thread may change."""
    nudges = Nudges()

    async def story():
        ticket = nudges.ticket("k")
        sleeping = asyncio.create_task(nudges.sleep(ticket, 600.0))
        await asyncio.sleep(0)
        thread = threading.Thread(target=nudges.nudge, args=("k",))
        thread.start()
        thread.join()
        set_by_the_thread = ticket.is_set()
        await asyncio.sleep(0)
        await sleeping
        return set_by_the_thread

    assert asyncio.run(story()) is False
