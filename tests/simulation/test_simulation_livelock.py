"""What turns in a circle is a failure that is told, with its reproduction; nothing hangs."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from simulation.doors import JournalDoor
from simulation.loop import Livelock, SimulationLoop
from simulation.plant import Doors
from simulation.run import apart, simulate
from simulation.schedule import Rates, Request, Schedule, Setting, Verb
from simulation.shapes import Shape
from simulation.shrink import as_test

from simulation import loop as loops


@pytest.fixture(autouse=True)
def on_sqlite(monkeypatch):
    """A server has no place in virtual time."""
    monkeypatch.delenv("MANTLE_TEST_POSTGRES", raising=False)


def ended(work):
    """How this ends in a loop of its own, which is dropped with its system process."""

    def run():
        try:
            return SimulationLoop().run_until_complete(work())
        except Livelock as error:
            return str(error)

    return apart(run)


def test_what_turns_in_one_moment_is_ended():
    """Time does not go on, and so no patience would ever run out."""

    async def turning():
        while True:
            await asyncio.sleep(0)

    assert ended(turning) == "50000 callbacks in a row, and time stands at 0.000000"


def test_what_turns_for_ever_is_ended(monkeypatch):
    """Time goes on, and nothing comes of it."""
    monkeypatch.setattr(loops, "MOST_TURNS", 1000)

    async def turning():
        while True:
            await asyncio.sleep(1)

    assert ended(turning).startswith("1000 callbacks, and no end by ")


def test_a_wait_shorter_than_the_resolution_ends():
    """Who waits for a moment less than a microsecond away is woken at it, not before."""

    async def waiting():
        loop = asyncio.get_running_loop()
        await asyncio.sleep(77.5)
        until = loop.time() + 1e-9
        while loop.time() < until:
            await asyncio.sleep(until - loop.time())
        return loop.time() == until

    assert ended(waiting) is True


def test_a_livelock_is_a_broken_promise_with_its_reproduction():
    """A door that asks again and again: the run ends, says so, and prints a test."""

    class Turning(JournalDoor):
        async def read(self, function, *args, **kwargs):
            while True:
                await asyncio.sleep(0)

    story = Schedule(
        seed=1,
        setting=Setting(),
        rates=Rates(),
        requests=(Request(stack="s0", verb=Verb.CREATE, shape=Shape(mark="s0")),),
    )
    report = apart(lambda: simulate(story, (), doors=Doors(database=Turning)))
    assert [each.partition(":")[0] for each in report.wrongs] == ["livelock"]
    assert "def test_seed_1():" in as_test(report)


def test_a_wait_that_ended_within_the_resolution_goes_on():
    """Seed 3,000,041 spun for ever: two ends of a wait were less than a microsecond apart."""
    assert apart(lambda: simulate(3000041)).wrongs == ()
