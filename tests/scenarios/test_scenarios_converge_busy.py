"""An update that converges overtakes like any other, and looks when it has its turn."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant, quiet
from test_scenarios_drift import drift, made, rows, settled, told

from mantle.clouds.ports import CloudError
from mantle.stacks.queries import find_stack, list_operations
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import operations as operation_rows

BUSY = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  members:
    type: OS::Heat::ResourceGroup
    properties: {count: 2, resource_def: {type: OS::Neutron::Net, properties: {name: "m-%index%"}}}
  slow: {type: OS::Heat::TestResource, properties: {value: WORD, wait_secs: 30}}
"""
CONVERGE = UpdateRequest(existing=True, converge=True)


async def name_of(control, stack, resource="net"):
    session = control.machine.session(stack)
    return (await session.networks.get((await rows(control, stack))[resource].physical_id)).name


async def by_hand(control, stack, resource="net", name="by hand"):
    session = control.machine.session(stack)
    net = (await rows(control, stack))[resource].physical_id
    spec = (await session.networks.get(net)).spec
    await session.networks.update(net, dataclasses.replace(spec, name=name))


async def busy(control):
    """A stack in the midst of an update."""
    stack = await made(control, BUSY.replace("WORD", "a"))
    await update_stack(control, CALLER, stack, UpdateRequest(template=BUSY.replace("WORD", "b")))
    await asyncio.sleep(5)
    return await find_stack(control, CALLER.project_id, stack.id)


@pytest.mark.proves("life cycle: converge overtakes an operation under way")
def test_converging_overtakes_and_brings_back_what_was():
    """Accepted at once; what runs is finished first, and what is there then is looked at."""

    async def story(control):
        stack = await busy(control)
        await by_hand(control, stack)
        session = control.machine.session(stack)
        await session.networks.delete((await rows(control, stack))["1"].physical_id)
        operation = await update_stack(control, CALLER, stack, CONVERGE)
        assert (operation.observes, operation.plan_id) == (True, None)
        assert (await rows(control, stack))["slow"].state == "UPDATE_IN_PROGRESS"
        await by_hand(control, stack, name="later, by hand")
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert (await rows(control, stack))["slow"].attributes["output"] == "b"
        assert await name_of(control, stack) == "inner"
        assert await name_of(control, stack, "1") == "m-1"
        assert await drift(control, stack) == []

    told(story)


def test_without_it_the_same_update_leaves_what_was_changed():
    """The rows say what operations left, and nobody looked."""

    async def story(control):
        stack = await busy(control)
        await by_hand(control, stack)
        await update_stack(control, CALLER, stack, UpdateRequest(existing=True))
        assert (await settled(control)).state == "UPDATE_COMPLETE"
        assert await name_of(control, stack) == "by hand"

    told(story)


def test_what_cannot_be_looked_at_fails_the_update_and_touches_nothing():
    """The cloud does not answer when the turn has come: the operation says which type is blind."""

    async def story(control):
        stack = await busy(control)

        def down(_, call):
            if call == "networks.list":
                raise CloudError("503")

        control.clouds["simulated"].faults.hook = down
        await update_stack(control, CALLER, stack, CONVERGE)
        stack = await settled(control)
        assert (stack.state, "OS::Neutron::Net: 503" in stack.reason) == ("UPDATE_FAILED", True)
        operations = await list_operations(control, stack)
        assert operations[0].steps_total == 0

    told(story)


def test_power_may_go_at_any_moment_before_its_plan_is_made():
    """It looks again: what drifts is brought back once, and nothing is left over."""

    def run(cut_at):
        plant = Plant(cut_at=cut_at)

        async def first(control):
            stack = await busy(control)
            await by_hand(control, stack)
            plant.armed = True
            await update_stack(control, CALLER, stack, CONVERGE)
            while await control.database.read(planned, stack.id) is None:
                await asyncio.sleep(1.0)

        async def look(control):
            await quiet(control)
            stack = await find_stack(control, CALLER.project_id, "s")
            found = await list_operations(control, stack)
            if len(found) == 2:  # the power went before the request was durable
                return
            assert stack.state == "UPDATE_COMPLETE", stack.reason
            assert await name_of(control, stack) == "inner"

        plant.life(first)
        plant.armed = False
        assert plant.life(look)
        assert plant.problems(plant.stack("s")) == []
        return plant.moments

    moments = run(None)
    around = [
        at
        for at, moment in enumerate(moments)
        if "give" in moment or "write" in moment or "_commit" in moment or "store" in moment
    ]
    for cut_at in around[-8:]:
        run(cut_at)


def planned(connection, stack_id):
    newest = operation_rows.listing(connection, stack_id=stack_id)[0]
    return newest.plan_id if newest.observes else None
