"""Who may call a service: so many at once, and who only reads goes first."""

import asyncio

import pytest

from mantle.clouds.openstack.caller import Places
from mantle.lib import virtual_time


def served(kinds, many=1):
    """The order in which these come in, of which each stays for a second; all ask at once."""

    async def story():
        places, order, inside, most = Places(many), [], [], 0

        async def one(number, kind):
            nonlocal most
            await places.acquire(reads=kind == "read")
            order.append(number)
            inside.append(number)
            most = max(most, len(inside))
            await asyncio.sleep(1)
            inside.remove(number)
            places.release()

        await asyncio.gather(*(one(number, kind) for number, kind in enumerate(kinds)))
        return order, most

    return virtual_time.run(story())


def test_reads_overtake_what_waits_and_nothing_else_is_reordered():
    order, most = served(["post", "post", "read", "post", "read"])
    assert (order, most) == ([0, 2, 4, 1, 3], 1)


@pytest.mark.parametrize("many", [1, 3])
def test_there_are_never_more_inside_than_may_be(many):
    order, most = served(["post", "read"] * 6, many)
    assert (sorted(order), most) == (list(range(12)), many)


def test_who_gives_up_leaves_its_place_to_the_next():
    """Also when it was given the place in that very moment."""

    async def story():
        places = Places(1)
        await places.acquire(reads=False)
        waits = [asyncio.create_task(places.acquire(reads=False)) for _ in range(3)]
        await asyncio.sleep(0)
        waits[0].cancel()
        places.release()
        waits[1].cancel()
        await asyncio.wait_for(waits[2], 5)
        return [each.cancelled() for each in waits]

    assert virtual_time.run(story()) == [True, True, False]
