"""Deletions in gated waves: in reverse order of dependency, each when the one before is well."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, quiet
from test_scenarios_plans import applied, ended, made, saved, status, told

from mantle.model.errors import NotFound
from mantle.model.saved import Gate, PlanStatus, WaveSpec
from mantle.model.status import Action
from mantle.stacks.queries import find_stack, list_operations, list_resources
from mantle.stacks.saving import find_saved
from mantle.stacks.waves import continue_plan

TREE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  port:
    type: OS::Neutron::Port
    properties: {network: {get_resource: net}, fixed_ips: [{subnet: {get_resource: subnet}}]}
  apart: {type: OS::Neutron::Net}
"""


async def left(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    return {view.record.name for view in await list_resources(control, stack)}


def steps(plan):
    return [sorted(str(key).removeprefix("delete ") for key in wave.steps) for wave in plan.waves]


async def planned(control, *waves):
    await made(control, TREE)
    return await saved(control, action=Action.DELETE, waves=waves)


@pytest.mark.proves("beyond: gated waves")
def test_a_deletion_goes_layer_by_layer_from_what_nothing_needs():
    """A person opens each gate; the stack is found until its last wave, and then gone."""

    async def story(control):
        plan = await planned(control, WaveSpec(layer=True, gate=Gate.MANUAL))
        assert steps(plan) == [["apart", "port"], ["subnet"], ["net"]]
        await applied(control, plan)
        await asyncio.sleep(600)
        assert await left(control) == {"subnet", "net"}
        stack = await find_stack(control, CALLER.project_id, "s")
        assert (stack.state, stack.reason) == (
            "DELETE_FAILED",
            "Stack DELETE is done in part; still there: net, subnet",
        )
        assert await status(control, plan) is PlanStatus.WAITING
        for names in ({"net"}, None):
            await continue_plan(control, CALLER, plan.id)
            await asyncio.sleep(5)
            await ended(control)
            if names is not None:
                assert await left(control) == names
        assert await status(control, plan) is PlanStatus.APPLIED
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")

    plant = told(story)
    assert plant.problems(None) == []


@pytest.mark.proves("beyond: gated waves")
def test_a_resource_of_a_wave_brings_along_what_needs_it():
    """Whoever deletes a subnet deletes its port; shares count in the plan's order."""

    async def story(control):
        plan = await planned(control, WaveSpec(resources=("subnet",), gate=Gate.NONE))
        assert steps(plan) == [["port", "subnet"], ["apart", "net"]]
        share = await saved(control, action=Action.DELETE, waves=(WaveSpec(percent=50),))
        assert [len(wave) for wave in steps(share)] == [2, 2]
        await applied(control, plan)
        await asyncio.sleep(5)
        await ended(control)
        assert await status(control, plan) is PlanStatus.APPLIED

    plant = told(story)
    assert plant.problems(None) == []


def test_a_health_gate_of_a_deletion_checks_what_is_left():
    """What remains has to be well without what is gone; a stack that is not waits."""

    async def story(control):
        plan = await planned(control, WaveSpec(resources=("apart",), gate=Gate.HEALTH))
        stack = await find_stack(control, CALLER.project_id, "s")
        session = control.machine.session(stack)
        rows = {view.record.name: view.record for view in await list_resources(control, stack)}
        await session.ports.delete(rows["port"].physical_id)
        await applied(control, plan)
        await asyncio.sleep(120)
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert (found.status, "resources.port" in found.reason) == (PlanStatus.CHECKING, True)
        checks = [
            each for each in await list_operations(control, stack) if each.action is Action.CHECK
        ]
        assert len(checks) > 1
        # Opened by hand: the plan was made for a port that was well, and binds.
        await continue_plan(control, CALLER, plan.id)
        await asyncio.sleep(60)
        await quiet(control)
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert (found.status, "port: it has changed" in found.reason) == (PlanStatus.STOPPED, True)

    told(story)


def test_a_health_gate_of_a_deletion_opens_when_what_is_left_is_well():
    """By itself, and again behind each wave."""

    async def story(control):
        plan = await planned(control, WaveSpec(layer=True, gate=Gate.HEALTH))
        await applied(control, plan)
        await asyncio.sleep(60)
        await quiet(control)
        assert await status(control, plan) is PlanStatus.APPLIED

    plant = told(story)
    assert plant.problems(None) == []
