"""Sweeps in virtual time over the simulated cloud: bounds, outcomes, and power cuts."""

import asyncio
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant

from mantle.clouds import ports as p
from mantle.clouds.simulated import Faults
from mantle.fleet.planning import deed_of
from mantle.fleet.sweeps import (
    SweepWish,
    apply_sweep,
    cancel_sweep,
    follow_sweep,
    list_sweeps,
    plan_sweep,
    show_sweep,
)
from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId, Token
from mantle.model.sweeps import Selector, SweepStatus, SweepVerb, TargetState

ALL = Selector(names=("*",))
OFF, REBOOT, RESIZE = SweepVerb.OFF, SweepVerb.REBOOT, SweepVerb.RESIZE


async def servers(control, count, **changes):
    found = control.cloud.session(CALLER.project_id).servers
    for number in range(count):
        spec = p.ServerSpec(name=f"s{number:04}", flavor="m1.small", **changes)
        await found.create(spec, Token(f"t{number}"))
    await asyncio.sleep(60)
    return found


async def swept(control, wish):
    """Plan, apply, and wait for the end."""
    planned = await plan_sweep(control.machine, CALLER, wish)
    await apply_sweep(control.machine, CALLER, planned.sweep.id)
    return await ended(control, planned.sweep.id)


async def ended(control, sweep_id):
    async for _ in follow_sweep(control.machine, CALLER.project_id, sweep_id, 0):
        pass
    return await show_sweep(control.machine, CALLER.project_id, sweep_id)


def life(story, **faults):
    plant = Plant(faults=Faults(**faults))
    assert plant.life(story)


@pytest.mark.proves("beyond: a verb over many servers, planned first")
def test_a_thousand_machines_are_powered_off_in_one_sweep():
    """Nothing is done before it is applied; then each has its outcome, once."""

    async def story(control):
        collection = await servers(control, 1000)
        calls = Counter()
        control.cloud.faults.hook = lambda _, call: calls.update([call])
        planned = await plan_sweep(
            control.machine, CALLER, SweepWish(verb=OFF, selector=ALL, parallel=100)
        )
        assert (planned.sweep.total, calls["servers.power"]) == (1000, 0)
        await apply_sweep(control.machine, CALLER, planned.sweep.id)
        view = await ended(control, planned.sweep.id)
        statuses = Counter(each.status for each in await collection.list())
        assert (view.sweep.status, view.sweep.done, statuses) == (
            SweepStatus.COMPLETE,
            1000,
            {p.ObjectStatus.STOPPED: 1000},
        )
        # Before and after each call.
        assert calls["servers.power"] == 2000

    life(story)


def test_an_empty_selector_never_means_all():
    """It is refused, and so is one that nothing fits; a star is all."""

    async def story(control):
        await servers(control, 3)
        for selector, refusal in (
            (Selector(), MantleError),
            (Selector(names=("no*",)), NotFound),
            (Selector(stacks=("none",)), NotFound),
        ):
            with pytest.raises(refusal):
                await plan_sweep(control.machine, CALLER, SweepWish(verb=OFF, selector=selector))
        assert await list_sweeps(control.machine, CALLER.project_id) == []
        planned = await plan_sweep(control.machine, CALLER, SweepWish(verb=OFF, selector=ALL))
        assert planned.sweep.total == 3

    life(story)


def test_more_servers_than_are_allowed_are_refused():
    """A pattern that fits more than its author thought does nothing."""

    async def story(control):
        await servers(control, 3)
        wish = SweepWish(verb=OFF, selector=ALL, at_most=2)
        with pytest.raises(LimitExceeded):
            await plan_sweep(control.machine, CALLER, wish)

    life(story)


@pytest.mark.parametrize(
    "wish",
    [
        SweepWish(verb=RESIZE, selector=ALL),
        SweepWish(verb=RESIZE, selector=ALL, flavor="none"),
        SweepWish(verb=OFF, selector=ALL, flavor="m1.tiny"),
        SweepWish(verb=OFF, selector=ALL, host="simulated-2"),
        SweepWish(verb=OFF, selector=ALL, parallel=0),
        SweepWish(verb=OFF, selector=ALL, parallel=10_000),
        SweepWish(verb=OFF, selector=ALL, failures_allowed=-1),
        SweepWish(verb=OFF, selector=ALL, at_most=0),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(wish):
    """Before any server is looked at or any row written."""

    async def story(control):
        await servers(control, 1)
        with pytest.raises(MantleError):
            await plan_sweep(control.machine, CALLER, wish)
        assert await list_sweeps(control.machine, CALLER.project_id) == []

    life(story)


def test_failures_beyond_the_budget_stop_the_sweep():
    """What was not begun is left alone, and says why."""

    async def story(control):
        collection = await servers(control, 30)
        down = collection.world

        def refuse(_, call):
            if call == "servers.power":
                raise p.Refused("The hypervisor says no.")

        control.cloud.faults.hook = refuse
        wish = SweepWish(verb=OFF, selector=ALL, parallel=1, failures_allowed=2)
        view = await swept(control, wish)
        states = Counter(target.state for target in view.targets)
        assert (view.sweep.status, states) == (
            SweepStatus.FAILED,
            {TargetState.FAILED: 3, TargetState.SKIPPED: 27},
        )
        assert view.targets[0].reason == "The hypervisor says no."
        assert down.count("servers") == 30

    life(story)


def test_what_moved_since_the_plan_is_left_alone():
    """A server resized by hand is not resized again; one that is gone is no failure."""

    async def story(control):
        collection = await servers(control, 3)
        wish = SweepWish(verb=RESIZE, selector=ALL, flavor="m1.large")
        planned = await plan_sweep(control.machine, CALLER, wish)
        first, second, _ = planned.targets
        await collection.resize(first.server_id, "m1.medium")
        await collection.delete(second.server_id)
        await apply_sweep(control.machine, CALLER, planned.sweep.id)
        view = await ended(control, planned.sweep.id)
        assert [target.state for target in view.targets] == [
            TargetState.SKIPPED,
            TargetState.SKIPPED,
            TargetState.DONE,
        ]
        assert view.sweep.status is SweepStatus.COMPLETE

    life(story)


def test_servers_leave_a_host():
    """A migration selected by host leaves nothing there that it was planned for."""

    async def story(control):
        collection = await servers(control, 8)
        session = control.cloud.session(CALLER.project_id)
        await session.set_service("compute:simulated-1", False, "its fans")
        wish = SweepWish(verb=SweepVerb.LIVE_MIGRATE, selector=Selector(hosts=("simulated-1",)))
        view = await swept(control, wish)
        assert (view.sweep.status, view.sweep.total, view.sweep.done) == (
            SweepStatus.COMPLETE,
            2,
            2,
        )
        assert "simulated-1" not in {each.host for each in await collection.list()}

    life(story, build_seconds=2.0)


def test_two_sweeps_never_have_one_server_at_once():
    """The second is refused until the first has ended; applying one twice is applying it once."""

    async def story(control):
        await servers(control, 4)
        machine = control.machine
        first = (await plan_sweep(machine, CALLER, SweepWish(verb=REBOOT, selector=ALL))).sweep
        second = (await plan_sweep(machine, CALLER, SweepWish(verb=OFF, selector=ALL))).sweep
        await apply_sweep(machine, CALLER, first.id)
        await apply_sweep(machine, CALLER, first.id)
        with pytest.raises(Conflict):
            await apply_sweep(machine, CALLER, second.id)
        await ended(control, first.id)
        with pytest.raises(Conflict):
            await apply_sweep(machine, CALLER, first.id)
        await apply_sweep(machine, CALLER, second.id)
        assert (await ended(control, second.id)).sweep.done == 4

    life(story)


def test_a_plan_that_is_too_old_is_not_applied():
    """It showed a world of another day."""

    async def story(control):
        await servers(control, 1)
        control.machine.settings = replace(control.settings, plan_lifetime_seconds=10.0)
        planned = await plan_sweep(control.machine, CALLER, SweepWish(verb=OFF, selector=ALL))
        await asyncio.sleep(11)
        with pytest.raises(Conflict, match="too long ago"):
            await apply_sweep(control.machine, CALLER, planned.sweep.id)

    life(story)


def test_a_cancelled_sweep_begins_no_further_server():
    """Those under way come to their end."""

    async def story(control):
        await servers(control, 20)
        wish = SweepWish(verb=RESIZE, selector=ALL, flavor="m1.large", parallel=2)
        planned = await plan_sweep(control.machine, CALLER, wish)
        await apply_sweep(control.machine, CALLER, planned.sweep.id)
        await asyncio.sleep(5)
        await cancel_sweep(control.machine, CALLER.project_id, planned.sweep.id)
        view = await ended(control, planned.sweep.id)
        states = Counter(target.state for target in view.targets)
        assert view.sweep.status is SweepStatus.CANCELLED
        assert set(states) == {TargetState.DONE, TargetState.SKIPPED}
        assert 0 < states[TargetState.DONE] < 20

    life(story, build_seconds=3.0)


def test_another_projects_servers_and_sweeps_are_not_there():
    """A star is every server of the caller's project and of no other."""

    async def story(control):
        other = control.cloud.session(ProjectId("p2")).servers
        theirs = await other.create(p.ServerSpec(name="x", flavor="m1.tiny"), Token("x"))
        await servers(control, 1)
        view = await swept(control, SweepWish(verb=OFF, selector=ALL))
        assert view.sweep.total == 1
        assert (await other.get(theirs.id)).status is p.ObjectStatus.ACTIVE
        with pytest.raises(NotFound):
            await show_sweep(control.machine, ProjectId("p2"), view.sweep.id)

    life(story)


VERBS = [
    SweepWish(verb=SweepVerb.HARD_REBOOT, selector=ALL, parallel=2),
    SweepWish(verb=REBOOT, selector=ALL, parallel=2),
    SweepWish(verb=RESIZE, selector=ALL, flavor="m1.large", parallel=2),
    SweepWish(verb=SweepVerb.MIGRATE, selector=ALL, parallel=2),
    SweepWish(verb=OFF, selector=ALL, parallel=2),
]


@pytest.mark.parametrize(("wish", "stride"), list(zip(VERBS, (3, 1, 3, 3, 3), strict=True)))
def test_power_cuts_double_no_deed(wish, stride):
    """Cut at the writes and around the calls: every server is done, and done once."""
    number = 0
    while cut_at(wish, number):
        number += stride
    assert number > 10


def cut_at(wish, number) -> bool:
    """One story with one cut; false when the sweep ended before it came."""
    plant = Plant(faults=Faults(build_seconds=1.0))
    planned = []

    async def begin(control):
        await servers(control, 2)
        planned.append((await plan_sweep(control.machine, CALLER, wish)).sweep.id)
        plant.armed, plant.cut_at = True, number
        await apply_sweep(control.machine, CALLER, planned[0])
        await ended(control, planned[0])

    async def go_on(control):
        plant.armed = False
        # A request whose answer was lost is sent again.
        await again(control, planned[0])

    whole = plant.life(begin)
    plant.armed = False
    if not whole:
        assert plant.life(go_on)
    deeds = {slot[2]: [deed.verb for deed in done] for slot, done in plant.world.deeds.items()}
    assert list(deeds.values()) == [[deed_of(wish.verb)]] * 2, (number, plant.moments[-3:], deeds)
    return not whole


async def again(control, sweep_id):
    view = await show_sweep(control.machine, CALLER.project_id, sweep_id)
    if view.sweep.status is SweepStatus.PLANNED:
        await apply_sweep(control.machine, CALLER, sweep_id)
    view = await ended(control, sweep_id)
    assert view.sweep.status is SweepStatus.COMPLETE
    assert {target.state for target in view.targets} <= {TargetState.DONE, TargetState.UNCHANGED}


@pytest.mark.parametrize("wish", VERBS, ids=lambda wish: wish.verb.value)
def test_lost_requests_and_replies_double_no_deed(wish):
    """A cloud that loses a tenth of the calls, before the deed or after it."""

    async def story(control):
        await servers(control, 20)
        control.cloud.faults.lost_request = control.cloud.faults.lost_reply = 0.1
        view = await swept(control, wish)
        world = control.cloud.world
        assert view.sweep.status is SweepStatus.COMPLETE, view.sweep.reason
        counted = Counter(len(done) for done in world.deeds.values())
        if wish.verb is not OFF:
            assert counted == {1: 20}

    life(story, build_seconds=1.0, seed=7)
