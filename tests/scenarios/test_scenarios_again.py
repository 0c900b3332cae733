"""What goes wrong while it is made is made again; a failed update is not forgotten."""

import asyncio
import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.simulated import Faults
from mantle.engine.nudges import Nudges
from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import check_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import EventQuery, find_stack, list_events
from mantle.stacks.update import UpdateRequest, update_stack

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
SERVER = HEAD + "  server: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: cirros}}\n"


class Throws:
    """Dice whose throws are known: so many builds end in error, then none."""

    def __init__(self, errors: int) -> None:
        self.errors = errors

    def random(self) -> float:
        self.errors -= 1
        return 0.0 if self.errors >= 0 else 1.0


def plant_with(errors: int) -> Plant:
    faults = Faults(build_seconds=2.0, delete_seconds=1.0, build_error=0.5)
    faults.dice = Throws(errors)
    return Plant(faults=faults)


async def create(control, template=SERVER):
    try:
        await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        request = CreateRequest(name="s", source=TemplateSource(template=template))
        await create_stack(control, CALLER, request)
    await quiet(control)


async def tries(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    views = await list_events(control, stack, EventQuery(sort_dir="asc"))
    said = [view.event.reason for view in views]
    return [text.rpartition(", ")[2] for text in said if "deleted and made again" in text]


@pytest.mark.proves("life cycle: action_retry_limit")
def test_a_server_in_error_is_deleted_and_made_again():
    """Three broken ones, then one that works: its events say so, and nothing is left over."""
    plant = plant_with(3)

    async def story(control):
        await create(control)
        assert await tries(control) == ["1 of 5", "2 of 5", "3 of 5"]

    assert plant.life(story)
    stack = plant.stack("s")
    assert (stack.state, plant.problems(stack)) == ("CREATE_COMPLETE", [])
    assert [dict(row.data).get("again") for row in plant.rows(stack)] == [None]


def test_the_sixth_error_is_the_last():
    """The resource fails with the cloud's words; the object stays for whoever looks."""
    plant = plant_with(99)

    async def story(control):
        await create(control)
        assert len(await tries(control)) == 5

    assert plant.life(story)
    stack = plant.stack("s")
    assert stack.state == "CREATE_FAILED"
    assert "No valid host" in stack.reason
    assert plant.problems(stack) == []


def moments(errors: int) -> int:
    plant = plant_with(errors)
    plant.armed = True
    assert plant.life(create)
    return len(plant.moments)


@pytest.mark.proves("life cycle: action_retry_limit")
def test_wherever_the_power_is_cut_the_count_goes_on():
    """Cut at every write and call of two retries: one server, never counted anew."""
    found = []
    for point in range(moments(2)):
        plant = plant_with(2)
        plant.armed, plant.cut_at = True, point
        finished = plant.life(create)
        plant.armed = False
        assert finished or plant.life(create)
        stack = plant.stack("s")
        wrong = plant.problems(stack)

        async def counted(control, wrong=wrong):
            told = await tries(control)
            if told != ["1 of 5", "2 of 5"]:
                wrong.append(f"told {told}")

        plant.life(counted)
        if stack.state != "CREATE_COMPLETE" or wrong:
            found.append(f"cut at {point} ({plant.moments[-1]}): {stack.state} {wrong}")
    assert found == []


HALF = HEAD + ("  r: {type: OS::Heat::TestResource, properties: {value: %s, fail: %s}}\n")


@pytest.mark.proves("life cycle: suspend")
def test_what_is_not_well_is_not_suspended_and_a_check_does_not_hide_it():
    """The stack is SUSPEND_FAILED and names it; the same update again is tried again."""
    plant = Plant()

    async def story(control):
        await create(control, HALF % ("a", "false"))
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=HALF % ("b", "true")))
        await quiet(control)
        await suspend_stack(control, CALLER, await find_stack(control, CALLER.project_id, "s"))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "SUSPEND_FAILED"
        assert "State UPDATE_FAILED invalid for suspend" in stack.reason
        await check_stack(control, CALLER, stack)
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert (await find_stack(control, CALLER.project_id, "s")).state == "CHECK_COMPLETE"
        await update_stack(control, CALLER, stack, UpdateRequest(template=HALF % ("b", "true")))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_FAILED", "the update was never done, and is tried again"

    assert plant.life(story)


def test_a_key_that_nobody_waits_for_leaves_nothing_behind():
    """Tickets that timed out are forgotten with whoever held them; held ones are woken together."""

    async def live():
        nudges = Nudges()
        await nudges.sleep(nudges.ticket("never"), 0.0)
        await asyncio.sleep(0)
        gc.collect()
        assert len(nudges._waiting) == 0
        first, second = nudges.ticket("key"), nudges.ticket("key")
        nudges.nudge("key")
        assert first.is_set()
        assert second.is_set()

    asyncio.run(live())
