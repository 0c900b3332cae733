"""Several engines on one database, in virtual time: work spreads, and outlives any of them."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, CutDatabase, Plant

from mantle.clouds.simulated import Faults, SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib import virtual_time
from mantle.lib.clock import LoopClock
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.wiring import assemble

pytestmark = pytest.mark.proves("beyond: several engines")

SERVERS = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.1.0.0/16}}
  web:
    type: OS::Heat::ResourceGroup
    depends_on: subnet
    properties:
      count: 6
      resource_def:
        type: OS::Nova::Server
        properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
"""
LEASE = 12.0


@pytest.fixture(autouse=True)
def virtual(monkeypatch):
    """A lease goes by the database's clock, and a PostgreSQL's has no virtual time."""
    monkeypatch.delenv("MANTLE_TEST_POSTGRES", raising=False)


class Door(CutDatabase):
    """One engine's way to the shared database, which can be shut."""

    def __init__(self, shared: CutDatabase) -> None:
        self.shared = shared
        self.open = True
        self.url = shared.url
        self.reads, self.writes = shared.reads, shared.writes

    async def read(self, function, *args, **kwargs):
        await self._pass()
        return await self.shared.read(function, *args, **kwargs)

    async def _write(self, engine, function, *args, **kwargs):
        await self._pass()
        return await self.shared._write(engine, function, *args, **kwargs)

    @property
    def _writer_engine(self):
        return self.shared._writer_engine

    @property
    def _fenced_engine(self):
        return self.shared._fenced_engine

    async def _pass(self) -> None:
        while not self.open:
            await asyncio.sleep(1.0)


class Members:
    """Engines over one database and one world."""

    def __init__(self, plant: Plant, **settings) -> None:
        self.plant = plant
        self.settings = Settings(
            poll_first_seconds=0.5, watch_seconds=0, drift_seconds=0, **settings
        )
        self.clock = LoopClock(plant.origin)
        plant.world.clock = self.clock

    async def join(self):
        cloud = SimulatedCloud(clock=self.clock, world=self.plant.world, faults=self.plant.faults)
        control, engine = assemble(
            database=Door(self.plant.database),
            clouds={"simulated": cloud},
            default_cloud="simulated",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"test"),
            clock=self.clock,
            settings=self.settings,
            alone=False,
        )
        await engine.open()
        return control, engine

    def run(self, story):
        virtual_time.run(story(self))


async def create(control, name, template=SERVERS):
    request = CreateRequest(name=name, source=TemplateSource(template=template))
    await create_stack(control, CALLER, request)


async def state_of(control, name):
    return (await find_stack(control, CALLER.project_id, name)).state


async def until_idle(control):
    while await control.database.read(operation_rows.live):
        await asyncio.sleep(1.0)


def servers(plant):
    return Counter(thing.object.name for thing in plant.world.shelf("p1", "servers").values())


def engines_of(plant):
    with plant.database.engine.connect() as connection:
        return {each.engine for each in operation_rows.listing(connection)}


def test_what_one_accepts_any_may_perform():
    """An API process performs nothing itself; both engines get work."""
    plant = Plant(faults=Faults(build_seconds=2.0))

    async def story(members):
        first, one = await members.join()
        _, two = await members.join()
        for number in range(8):
            await create(first, f"s{number}")
        await until_idle(first)
        assert {await state_of(first, f"s{each}") for each in range(8)} == {"CREATE_COMPLETE"}
        await one.close()
        await two.close()

    Members(plant).run(story)
    assert len(engines_of(plant)) == 2
    assert servers(plant).total() == 48


@pytest.mark.parametrize("after_seconds", [0.2, 1.0, 2.5, 4.0])
def test_an_engine_that_is_cut_off_is_followed(after_seconds):
    """After its lease the other goes on where it stood; nothing is made twice."""
    plant = Plant(faults=Faults(build_seconds=2.0))

    async def story(members):
        first, _ = await members.join()
        await create(first, "a")
        await asyncio.sleep(after_seconds)
        first.database.open = False
        second, two = await members.join()
        await asyncio.sleep(LEASE * 1.5)
        await until_idle(second)
        assert await state_of(second, "a") == "CREATE_COMPLETE"
        await two.close()

    Members(plant, lease_seconds=LEASE).run(story)
    assert servers(plant).total() == 6


def test_an_engine_that_was_only_frozen_writes_nothing_more_and_joins_again():
    """It wakes after it was given up: its walks meet the fence, its next beat makes it a member."""
    plant = Plant(faults=Faults(build_seconds=30.0))

    async def story(members):
        first, one = await members.join()
        second, two = await members.join()
        two.companions[-1]._task.cancel()  # the second takes nothing yet
        await create(first, "a")
        await asyncio.sleep(1.0)
        first.database.open = False
        await asyncio.sleep(LEASE + 6)
        held = [each.engine for each in await second.database.read(operation_rows.live)]
        assert set(held) == {""}
        first.database.open = True
        await asyncio.sleep(LEASE)
        alive = await second.database.read(event_rows.list_engines)
        assert {each["id"] for each in alive} == {one.machine.id, two.machine.id}
        await until_idle(second)
        assert await state_of(second, "a") == "CREATE_COMPLETE"
        await one.close()
        await two.close()

    Members(plant, lease_seconds=LEASE).run(story)
    assert servers(plant).total() == 6


def test_an_engine_that_is_told_to_stop_hands_over_at_once():
    """Nobody waits for its lease."""
    plant = Plant(faults=Faults(build_seconds=2.0))

    async def story(members):
        first, one = await members.join()
        await create(first, "a")
        await asyncio.sleep(0.5)
        await one.close()
        second, two = await members.join()
        before = members.clock.now()
        await until_idle(second)
        assert members.clock.now() - before < LEASE
        assert await state_of(second, "a") == "CREATE_COMPLETE"
        await two.close()

    Members(plant, lease_seconds=600.0).run(story)
    assert servers(plant).total() == 6


def test_a_project_with_much_to_do_does_not_hold_up_another():
    """The small project's one stack is done long before the big one's fifty."""
    plant = Plant(faults=Faults(build_seconds=5.0))
    ended = []

    async def story(members):
        first, one = await members.join()
        for number in range(50):
            await create(first, f"big{number}")
        other = CALLER.__class__(
            **{**{f: getattr(CALLER, f) for f in CALLER.__slots__}, "project_id": "p2"}
        )
        request = CreateRequest(name="small", source=TemplateSource(template=SERVERS))
        await create_stack(first, other, request)
        while left := await first.database.read(operation_rows.live):
            if "p2" not in {each.project_id for each in left} and not ended:
                ended.append(len(left))
            await asyncio.sleep(0.5)
        await one.close()

    Members(plant, operations_at_once=4).run(story)
    assert ended[0] > 30
