"""Whole control planes under seeds: crashes, freezes, lost replies, partitions, skewed clocks.

`simulation/` says how it works, `docs/reliability.md` what it has shown. A seed that fails here is
looked at with `make simulate SEEDS=…`, which prints the smallest test that still fails.
"""

import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from simulation.run import apart, simulate
from simulation.schedule import Rates, Request, Setting, Verb, often_frozen, schedule_of
from simulation.shapes import Shape, shape_of
from simulation.shrink import as_test, shrunk
from simulation.weak import WEAKNESSES
from simulation.weather import Fault, Kind

pytestmark = pytest.mark.proves("beyond: deterministic simulation")

ROOT = Path(__file__).resolve().parents[2]

MOST_SEEDS = 40
"""A broken promise is noticed within so many, each as it is and with engines often frozen."""

NAMES = (Fault, Kind, Rates, Request, Setting, Shape, Verb, apart, simulate)
"""What a printed test imports."""


@pytest.fixture(autouse=True)
def on_sqlite(monkeypatch):
    """A server has no place in virtual time."""
    monkeypatch.delenv("MANTLE_TEST_POSTGRES", raising=False)


def wrongs(seeds, doors=None):
    """What went wrong, by seed; in a process of its own, which takes all memory with it."""
    found = apart(lambda: {seed: simulate(seed, doors=doors).wrongs for seed in seeds})
    return {seed: said for seed, said in found.items() if said}


def traced(seed, hash_seed):
    """The whole trace, by a fresh interpreter whose sets of strings are in another order."""
    return subprocess.run(
        [sys.executable, "-m", "simulation", "--seeds", str(seed), "--trace"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
    ).stdout


def test_nothing_is_lost_doubled_or_left_behind():
    """A few seeds of all there are; `make simulate` does any number."""
    assert wrongs(range(3)) == {}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(100, 200, 20))
def test_nothing_is_in_many_more_of_them(first):
    """A hundred others."""
    assert wrongs(range(first, first + 20)) == {}


def test_the_same_seed_has_the_same_trace_byte_for_byte():
    """Whatever the order of Python's sets, in whichever process."""
    first, second = traced(33, "1"), traced(33, "2")
    assert first.count(b"\n") > 200
    assert first == second


def test_the_faults_of_a_run_told_again_give_the_same_run():
    """So that some of them can be left out, to see which matter."""
    drawn = apart(lambda: simulate(3))
    told = apart(lambda: simulate(replace(drawn.schedule, rates=Rates()), drawn.faults))
    assert (told.trace, told.faults) == (drawn.trace, drawn.faults)


def test_a_shape_says_itself_what_it_declares():
    """The judge needs nothing but the template in force."""
    shape = Shape(mark="s", nets=2, volume=True, zone="north", server=True, members=2, inner=1)
    assert shape_of(shape.template()) == shape
    assert ("volumes", "s.volume.a", "north") in shape.expected()


def test_a_failing_run_becomes_a_test_that_fails_as_it_did():
    """Of a run over doors that forget the token, no fault and one request are left."""
    doors = WEAKNESSES["the token is forgotten"]
    failed = apart(lambda: simulate(0, doors=doors))
    small = shrunk(failed, tries=8, doors=doors)
    assert small.wrongs
    assert len(small.faults) < len(failed.faults)
    assert len(small.schedule.requests) <= len(failed.schedule.requests)
    names = {}
    exec(as_test(small), names)
    names["test_seed_0"]()  # the doors of the product hold


@pytest.mark.parametrize(
    "name", ["a request is accepted before it is durable", "the token is forgotten"]
)
def test_the_judge_notices_a_broken_promise(name):
    """Two of them at once; all of them in the long suite."""
    assert wrongs(range(1), WEAKNESSES[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", WEAKNESSES)
def test_the_judge_notices_every_broken_promise(name):
    """Each within a few seeds; what is not noticed when it is broken is not tested."""
    doors = WEAKNESSES[name]
    worlds = (
        world
        for seed in range(MOST_SEEDS)
        for world in (schedule_of(seed), often_frozen(schedule_of(seed)))
    )
    assert any(apart(partial(simulate, world, doors=doors)).wrongs for world in worlds)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_lost_by_engines_that_are_often_frozen(seed):
    """What the judge notices there of a broken product he does not find in this one."""
    assert apart(lambda: simulate(often_frozen(schedule_of(seed)))).wrongs == ()


def test_a_schedule_is_a_function_of_its_seed():
    """Nothing else decides what is asked."""
    assert schedule_of(7) == schedule_of(7)
    assert schedule_of(7) != schedule_of(8)
