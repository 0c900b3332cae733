"""Polling in bulk: how many calls many who wait cost, and how long one of them may wait."""

import asyncio

from mantle.clouds.openstack.batch import LONGEST_SECONDS, Batch
from mantle.lib import virtual_time

PAUSE = 0.4


class Service:
    """Objects that are ready at a time; counts the calls it is asked in."""

    def __init__(self, ready):
        self.ready = ready
        self.calls = []

    async def fetch(self, keys):
        self.calls.append((asyncio.get_running_loop().time(), sorted(keys)))
        await asyncio.sleep(0.1)
        now = asyncio.get_running_loop().time()
        return {key: self.ready[key] <= now for key in keys if key in self.ready}


async def until_ready(batch, key):
    """As a phase polls: rarer, but at least every 1.5 s; the answer is when it knew."""
    pause = 0.1
    while not await batch.ask(key):
        await asyncio.sleep(pause)
        pause = min(1.5, pause * 1.3)
    return asyncio.get_running_loop().time()


def polled(ready):
    """(calls, how late each was found ready), all of them created at once."""
    service = Service(ready)

    async def story():
        batch = Batch(service.fetch, pause_seconds=PAUSE)
        for key in ready:
            batch.foresee(key)
        return await asyncio.gather(*(until_ready(batch, key) for key in ready))

    known = virtual_time.run(story())
    return len(service.calls), [at - ready[key] for at, key in zip(known, ready, strict=True)]


def test_a_hundred_that_take_two_minutes_cost_less_than_thirty_calls():
    """And the last of them, for whom everything else waits, is noticed within two seconds."""
    calls, late = polled({number: 20 + number for number in range(100)})
    assert calls < 30
    assert max(late) <= LONGEST_SECONDS + 2
    assert late[-1] < 2


def test_one_is_looked_at_as_often_as_the_pause_allows():
    calls, late = polled({0: 10.0})
    assert calls >= 6
    assert late[0] < 2


def test_who_asks_for_the_first_time_does_not_wait_for_the_many():
    """A question of somebody else is answered at the next turn, with everybody's."""

    async def story():
        service = Service(dict.fromkeys(range(100), 1000.0) | {-1: 0.0})
        batch = Batch(service.fetch, pause_seconds=PAUSE)
        many = [asyncio.create_task(until_ready(batch, number)) for number in range(100)]
        await asyncio.sleep(30)
        began = asyncio.get_running_loop().time()
        found = await batch.ask(-1)
        waited = asyncio.get_running_loop().time() - began
        for each in many:
            each.cancel()
        return found, waited

    found, waited = virtual_time.run(story())
    assert found
    assert waited <= PAUSE + 0.3


def test_nobody_is_served_by_a_call_that_was_sent_before_they_asked():
    async def story():
        service = Service({"a": 0.0, "b": 0.0})
        batch = Batch(service.fetch, pause_seconds=PAUSE)
        first = asyncio.create_task(batch.ask("a"))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, batch.ask("a"), batch.ask("b"))
        return [keys for _, keys in service.calls]

    assert virtual_time.run(story()) == [["a"], ["a", "b"]]
