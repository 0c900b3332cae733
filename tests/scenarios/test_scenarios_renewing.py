"""An input with replace_on_change: another deployment takes the place of the one there is."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant
from test_scenarios_deployments import GROUP, TEMPLATE, Agent, lived, made, settled

from mantle.model.saved import PlanStatus
from mantle.model.status import Action
from mantle.software.deployments import list_deployments
from mantle.stacks.applying import ApplyRequest, apply_plan
from mantle.stacks.queries import list_resources, show_resource
from mantle.stacks.saving import SaveRequest, find_saved, save_plan
from mantle.stacks.update import UpdateRequest, update_stack

RENEWED = TEMPLATE.replace("{name: word}", "{name: word, replace_on_change: true}")
MANY = GROUP.replace("{name: word}", "{name: word, replace_on_change: true}")
BYE = UpdateRequest(existing=True, parameters={"word": "bye"})


@pytest.mark.proves("life cycle: software deployments")
def test_the_new_deployment_is_made_before_the_old_one_is_taken_away():
    """As in Heat: another resource, run for CREATE; then the old one, with its old values."""
    agent = Agent()

    async def story(control):
        stack = await made(control, RENEWED)
        before = (await show_resource(control, stack, "deployment")).record
        await update_stack(control, CALLER, stack, BYE)
        stack = await settled(control)
        assert (stack.state, stack.outputs["said"]) == ("UPDATE_COMPLETE", "echo $word: bye")
        after = (await show_resource(control, stack, "deployment")).record
        assert (after.id != before.id, after.state) == (True, "CREATE_COMPLETE")
        (left,) = await list_deployments(control.database, CALLER.project_id)
        assert left.id == after.id

    lived(story, agent)
    assert agent.ran == [("CREATE", "hello"), ("CREATE", "bye"), ("DELETE", "hello")]


@pytest.mark.proves("life cycle: software deployment groups")
def test_the_members_of_a_group_are_replaced_one_by_one():
    """Each in the stack inside."""
    agent = Agent()

    async def story(control):
        stack = await made(control, MANY)
        await update_stack(control, CALLER, stack, BYE)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert set(stack.outputs["said"].values()) == {"echo $word: bye"}

    lived(story, agent)
    assert sorted(agent.ran[2:]) == [*[("CREATE", "bye")] * 2, *[("DELETE", "hello")] * 2]


def test_another_input_that_changes_back_leaves_the_deployment_alone():
    """What an update found to need another is forgotten when it is not wanted any more."""
    agent = Agent(code=0)

    async def story(control):
        stack = await made(control, RENEWED)
        request = SaveRequest(action=Action.UPDATE, stack=stack, update=BYE)
        plan = await save_plan(control, CALLER, request)
        await apply_plan(control, CALLER, plan.id, ApplyRequest())
        await settled(control)
        await asyncio.sleep(5)
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert (found.status, "needs a new one" in found.reason) == (PlanStatus.STOPPED, True)
        assert agent.ran == [("CREATE", "hello")]
        # A new plan knows it.
        stack = await settled(control)
        again = await save_plan(
            control, CALLER, SaveRequest(action=Action.UPDATE, stack=stack, update=BYE)
        )
        kinds = [(str(step.kind), step.resource) for step in again.plan.steps]
        assert kinds == [("create", "deployment"), ("delete", "deployment")]
        hello = UpdateRequest(existing=True, parameters={"word": "hello"})
        await update_stack(control, CALLER, stack, hello)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert len(await list_resources(control, stack)) == 3

    lived(story, agent)
    assert [action for action, _ in agent.ran] in (["CREATE"], ["CREATE", "UPDATE"])


def test_power_may_go_at_any_moment():
    """One deployment is left in the end, with the new values."""

    def run(cut_at):
        plant, agent = Plant(cut_at=cut_at), Agent()
        waited: list[str] = []

        async def begin(control):
            stack = await made(control, RENEWED)
            plant.armed = True
            await update_stack(control, CALLER, stack, BYE)
            waited.append(stack.id)

        async def look(control):
            stack = await settled(control)
            if stack.state == "CREATE_COMPLETE":  # the power went before it was asked for
                assert not waited
                return
            assert (stack.state, stack.outputs["said"]) == ("UPDATE_COMPLETE", "echo $word: bye")
            (left,) = await list_deployments(control.database, CALLER.project_id)
            found = (await show_resource(control, stack, "deployment")).record
            assert left.id == found.id

        beside(begin, agent, plant)
        plant.armed = False
        assert beside(look, agent, plant)
        assert plant.problems(plant.stack("s")) == []
        return plant.moments

    moments = run(None)
    for cut_at in range(0, len(moments), max(1, len(moments) // 8)):
        run(cut_at)


def beside(story, agent, plant):
    """One life with an agent beside it; whether it came to its end."""

    async def both(control):
        polling = asyncio.ensure_future(agent.poll(control))
        try:
            await story(control)
            await settled(control)
        finally:
            polling.cancel()

    return plant.life(both)
