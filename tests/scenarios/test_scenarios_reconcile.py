"""A restored control plane does nothing until a person has looked; then it does what was chosen."""

import asyncio
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.api.own.reconcile import rendered
from mantle.clouds.ports import Missing
from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib import virtual_time
from mantle.lib.clock import LoopClock
from mantle.model.drift import DriftPolicy
from mantle.model.errors import Conflict, MantleError
from mantle.model.graph import TemplateSource
from mantle.model.status import OperationStatus
from mantle.model.sweeps import Selector, Sweep, SweepStatus, SweepVerb, Target
from mantle.plan.reconciling import Deed, What
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.drift import list_drift, set_drift_policy
from mantle.stacks.queries import (
    find_stack,
    list_operations,
    list_resources,
    list_stacks,
)
from mantle.stacks.reconciling import Choices, reconcile, reconciliation
from mantle.store import operations as operation_rows
from mantle.store import sweeps as sweep_rows
from mantle.store.held import Hold, held, hold
from mantle.store.stacks import StackQuery
from mantle.store.tables import metadata
from mantle.wiring import assemble

pytestmark = pytest.mark.proves("beyond: backup and restore")

ADMIN = replace(CALLER, roles=frozenset({"admin"}))

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  volume:
    type: OS::Cinder::Volume
    depends_on: net
    properties: {size: 1, name: NAME}
"""
GOLDEN = """\
Restored from backup abababab of 2027-01-15T08:00:00.000Z.

Operations that were under way (1):
  running on simulated, project p1: CREATE was under way, <n> of 2 steps done
      -> goes on from where it stood; or --cancel operation:<id>

Stacks that differ from what is there (3):
  gone on simulated, project p1: all of its 2 objects are gone: it was probably deleted after the \
backup
      net (OS::Neutron::Net): gone
      volume (OS::Cinder::Volume): gone
      -> left as it is; or --correct drift:<id>
  guarded on simulated, project p1: 1 of 2 objects gone
      volume (OS::Cinder::Volume): gone
      -> an update brings back what was
  partly on simulated, project p1: 1 of 2 objects gone
      volume (OS::Cinder::Volume): gone
      -> left as it is; or --correct drift:<id>

Made after the backup, and unknown to it (2):
  late on simulated, project p1: OS::Cinder::Volume <id>, ACTIVE
      -> left as it is; or --adopt found:OS::Cinder::Volume:<id>
  late-net-<x> on simulated, project p1: OS::Neutron::Net <id>, ACTIVE
      -> left as it is; or --adopt found:OS::Neutron::Net:<id>
"""


async def make(control, name):
    source = TemplateSource(template=TEMPLATE.replace("NAME", name))
    await create_stack(control, CALLER, CreateRequest(name=name, source=source))


async def physical(control, name):
    stack = await find_stack(control, CALLER.project_id, name)
    views = await list_resources(control, stack)
    return {view.record.name: view.record.physical_id for view in views}


async def remove(control, kind, object_id):
    objects = getattr(control.cloud.session(CALLER.project_id), kind)
    await objects.delete(object_id)
    while True:
        try:
            await objects.get(object_id)
        except Missing:
            return
        await asyncio.sleep(1.0)


@pytest.fixture
def plant():
    """As a restore leaves it: stacks as of the backup, a world that went on without them."""
    plant = Plant()

    async def before(control):
        for name in ("keeps", "gone", "guarded", "partly", "late"):
            await make(control, name)
        await quiet(control)
        guarded = await find_stack(control, CALLER.project_id, "guarded")
        await set_drift_policy(control, guarded, DriftPolicy.CORRECT)

    assert plant.life(before)
    plant.armed, plant.cut_at = True, len(plant.moments) + 12
    assert not plant.life(lambda control: make(control, "running"))
    plant.armed, plant.cut_at, plant.dead = False, None, False
    late = plant.stack("late")
    with plant.database.engine.begin() as connection:
        for name in ("resources", "events", "operations", "plans"):
            table = metadata.tables[name]
            connection.execute(table.delete().where(table.c.stack_id == late.id))
        stacks = metadata.tables["stacks"]
        connection.execute(stacks.delete().where(stacks.c.id == late.id))
        hold(
            connection,
            Hold(
                backup="ab" * 16,
                taken_at=1_800_000_000.0,
                restored_at=plant.origin,
                product="0",
                operations=0,
            ),
        )
    plant.database.begin()
    return plant


async def meddle(control):
    """What the world did."""
    for name, kinds in (
        ("gone", {"net": "networks", "volume": "volumes"}),
        ("guarded", {"volume": "volumes"}),
        ("partly", {"volume": "volumes"}),
    ):
        ids = await physical(control, name)
        for resource, kind in kinds.items():
            await remove(control, kind, ids[resource])


def told(found) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", rendered(found))
    text = re.sub(r"\d of 2 steps", "<n> of 2 steps", text)
    return re.sub(r"late-net-\w+", "late-net-<x>", text) + "\n"


def test_nothing_goes_on_while_it_is_held(plant):
    """Not what was under way, not what is asked for, not a policy; whoever asks is told why."""

    async def story(control):
        await meddle(control)
        await asyncio.sleep(7200.0)
        guarded = await find_stack(control, CALLER.project_id, "guarded")
        assert len(await list_operations(control, guarded)) == 1
        (running,) = await control.database.read(operation_rows.live)
        assert running.status is OperationStatus.QUEUED
        now = control.clock.now()
        claim = control.database.write(operation_rows.claim, running.id, "anybody", now)
        assert await claim is None
        with pytest.raises(Conflict, match="mantle reconcile"):
            await make(control, "new")
        await reconcile(control, ADMIN, Choices())

    assert plant.life(story)


def test_the_plan_says_what_the_world_did(plant):
    """Each thing with what is done about it, and what can be chosen; nothing is changed by it."""
    seen = []

    async def story(control):
        await meddle(control)
        world = plant.world.listing()
        seen.append(await reconciliation(control))
        seen.append(await reconciliation(control))
        assert plant.world.listing() == world
        assert await control.database.read(held) is not None
        await reconcile(control, ADMIN, Choices())

    assert plant.life(story)
    assert told(seen[0]) == GOLDEN
    assert seen[0].digest == seen[1].digest


def test_by_itself_only_what_is_safe_is_done(plant):
    """What ran goes on without a double, policies hold again, the rest is left to be seen."""

    async def story(control):
        await meddle(control)
        _, outcomes = await reconcile(control, ADMIN, Choices())
        assert [(each.item.name, each.deed, each.refused) for each in outcomes[:4]] == [
            ("running", Deed.RESUME, ""),
            ("gone", Deed.LEAVE, ""),
            ("guarded", Deed.CORRECT, ""),
            ("partly", Deed.LEAVE, ""),
        ]
        await quiet(control)
        assert await control.database.read(held) is None
        for name in ("running", "guarded"):
            stack = await find_stack(control, CALLER.project_id, name)
            assert str(stack.state).endswith("_COMPLETE"), (name, stack.reason)
            assert plant.problems(stack) == [
                each for each in plant.problems(stack) if each.startswith("orphan")
            ]
        partly = await find_stack(control, CALLER.project_id, "partly")
        findings, _ = await list_drift(control, partly)
        assert [each.difference.resource for each in findings] == ["volume"]

    assert plant.life(story)


def test_what_is_chosen_is_done_through_ordinary_operations(plant):
    """Corrected, ended and taken over; afterwards every object of the world is in a stack."""

    async def story(control):
        await meddle(control)
        found = await reconciliation(control)
        every = frozenset({Deed.CORRECT, Deed.CANCEL, Deed.ADOPT})
        _, outcomes = await reconcile(
            control, ADMIN, Choices(digest=found.digest, everything=every)
        )
        assert [each for each in outcomes if each.refused] == []
        await quiet(control)
        for name in ("gone", "partly", "guarded"):
            stack = await find_stack(control, CALLER.project_id, name)
            assert stack.state == "UPDATE_COMPLETE", (name, stack.reason)
        running = await find_stack(control, CALLER.project_id, "running")
        assert running.state == "CREATE_FAILED"
        (taken,) = {each.stack_name for each in outcomes if each.stack_name}
        assert len(await physical(control, taken)) == 2
        with control.database.engine.connect() as connection:
            rows = connection.execute(metadata.tables["resources"].select()).mappings().all()
            known = {row[name] for row in rows for name in ("physical_id", "token")}
        lost = [
            identity
            for _, identity, token in plant.world.listing()
            if not token.startswith("public-") and not {identity, token} & known
        ]
        assert lost == []

    assert plant.life(story)


def test_a_plan_that_is_out_of_date_is_refused(plant):
    """And so is a choice of what is not there; the hold stays."""

    async def story(control):
        found = await reconciliation(control)
        await meddle(control)
        for choices in (
            Choices(digest=found.digest),
            Choices(correct=frozenset({"drift:none"})),
            Choices(adopt=frozenset({found.items[0].id})),
        ):
            with pytest.raises(MantleError):
                await reconcile(control, ADMIN, choices)
            assert await control.database.read(held) is not None
        await reconcile(control, ADMIN, Choices())
        with pytest.raises(Conflict, match="nothing to reconcile"):
            await reconciliation(control)

    assert plant.life(story)


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 5, 8, 13, 21])
def test_what_was_chosen_is_begun_even_if_the_process_dies(plant, cut):
    """Killed at any moment after the hold has ended: the next one goes on with what is left.

    Nothing is done twice: afterwards all stacks are well, and what was found is in one stack.
    """
    every = Choices(everything=frozenset({Deed.CORRECT, Deed.ADOPT}))
    seen = []

    async def dies(control):
        await meddle(control)
        plant.armed = True
        await reconcile(control, ADMIN, every)

    plant.cut_after = "after _release", cut
    assert not plant.life(dies)
    plant.armed, plant.cut_at, plant.dead = False, None, False

    async def goes_on(control):
        left = await reconciliation(control)
        seen.append(left)
        _, outcomes = await reconcile(control, ADMIN, Choices(digest=left.digest))
        await quiet(control)
        with pytest.raises(Conflict, match="nothing to reconcile"):
            await reconciliation(control)
        for name in ("gone", "partly", "guarded"):
            stack = await find_stack(control, CALLER.project_id, name)
            assert stack.state == "UPDATE_COMPLETE", (name, stack.reason)
            assert plant.problems(stack) == [
                each for each in plant.problems(stack) if each.startswith("orphan")
            ]
        stacks = [each.name for each in await list_stacks(control, CALLER.project_id, StackQuery())]
        (taken,) = [name for name in stacks if name.startswith("found-")]
        assert len(await physical(control, taken)) == 2
        return outcomes

    assert plant.life(goes_on)
    assert seen[0].begun
    assert "was stopped; this is left of it" in told(seen[0])


def test_a_process_that_dies_while_it_is_held_comes_up_held(plant):
    """The hold is a row: only a person ends it."""
    seen = []

    async def story(control):
        seen.append(await control.database.read(held))
        await reconcile(control, ADMIN, Choices())

    plant.armed, plant.cut_at = True, len(plant.moments)
    assert not plant.life(lambda control: make(control, "x"))
    plant.armed, plant.cut_at = False, None
    assert plant.life(story)
    assert seen[0] is not None


def test_what_cannot_be_seen_is_told():
    """A cloud that is not configured on the new machine is named, and holds up nothing else."""
    plant = Plant()

    async def before(control):
        await make(control, "s")
        await quiet(control)

    assert plant.life(before)
    with plant.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE stacks SET cloud = 'elsewhere'")
        hold(
            connection, Hold(backup="ab", taken_at=1.0, restored_at=2.0, product="0", operations=0)
        )

    async def story(control):
        found = await reconciliation(control)
        assert [(e.cloud, e.said) for e in found.items if e.what is What.UNSEEN] == [
            ("elsewhere", "the cloud is not configured here")
        ]
        await reconcile(control, ADMIN, Choices())

    assert plant.life(story)


def test_of_several_engines_none_takes_anything_until_one_is_told(plant):
    """The hold is in the database: engines that share it wait, and all begin when it ends."""
    seen = []

    async def live():
        clock = LoopClock(plant.origin)
        plant.world.clock = clock
        cloud = SimulatedCloud(clock=clock, world=plant.world, faults=plant.faults)
        both = [
            assemble(
                database=plant.database,
                clouds={"simulated": cloud},
                default_cloud="simulated",
                runtime=TaskRuntime(),
                links=Links(base_url="http://127.0.0.1:1", key=b"test"),
                clock=clock,
                settings=Settings(poll_first_seconds=0.5),
                alone=False,
            )
            for _ in range(2)
        ]
        for _, engine in both:
            await engine.open()
        await asyncio.sleep(60.0)
        control = both[0][0]
        (running,) = await control.database.read(operation_rows.live)
        seen.append((running.status, running.engine))
        await reconcile(control, ADMIN, Choices())
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "running")
        seen.append(str(stack.state))
        await asyncio.sleep(5.0)
        assert all(engine._opened for _, engine in both)
        for _, engine in both:
            await engine.close()

    virtual_time.run(live())
    assert seen == [(OperationStatus.QUEUED, ""), "CREATE_COMPLETE"]


def test_a_sweep_stops_where_it_stood_unless_somebody_resumes_it():
    """A reboot that was done after the backup must not be done again by itself."""
    plant = Plant()
    sweep = Sweep(
        id="w1",
        project_id=CALLER.project_id,
        verb=SweepVerb.REBOOT,
        selector=Selector(names=("*",)),
        parallel=1,
        failures_allowed=1,
        total=1,
        user_id=CALLER.user_id,
        user_name="",
        created_at=plant.origin,
        expires_at=plant.origin + 1e6,
    )
    names = dict.fromkeys(("server_id", "name", "stack", "status", "flavor", "host"), "x")
    target = Target(position=0, cloud="simulated", **names)
    with plant.database.engine.begin() as connection:
        sweep_rows.add(connection, sweep, [target])
        sweep_rows.add(connection, replace(sweep, id="w2"), [replace(target, server_id="y")])
        sweep_rows.queue(connection, "w1")
        hold(
            connection, Hold(backup="ab", taken_at=1.0, restored_at=2.0, product="0", operations=0)
        )

    async def story(control):
        await asyncio.sleep(120.0)
        with pytest.raises(Conflict, match="mantle reconcile"):
            await control.database.write(sweep_rows.queue, "w2")
        before = await control.database.read(sweep_rows.get, CALLER.project_id, "w1")
        _, outcomes = await reconcile(control, ADMIN, Choices())
        await asyncio.sleep(120.0)
        after = await control.database.read(sweep_rows.get, CALLER.project_id, "w1")
        assert (before.status, after.status) == (SweepStatus.QUEUED, SweepStatus.CANCELLED)
        assert [(each.item.id, each.deed) for each in outcomes] == [("sweep:w1", Deed.CANCEL)]

    assert plant.life(story)
