"""Cancelling what only waits: signals, agents, clocks, people, and stacks inside that wait.

Nothing is broken off by giving such a wait up, so nobody waits for its own timeout. What does
something is still finished first.
"""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import NotSupported
from mantle.model.graph import TemplateSource
from mantle.model.interventions import Verb
from mantle.model.status import Cancel, OperationStatus
from mantle.software.deployments import list_deployments
from mantle.stacks.actions import cancel_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.interventions import Ask, intervene
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import operations as operation_rows

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
CONDITION = (
    "  handle: {type: OS::Heat::WaitConditionHandle}\n"
    "  held:\n    type: OS::Heat::WaitCondition\n"
    "    properties: {handle: {get_resource: handle}, timeout: 7200}\n"
)
INSIDE = (
    "  held:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: 2\n"
    "      resource_def: {type: inner.yaml}\n"
)
WAITS = {
    "a signal": CONDITION,
    "the clock": "  held: {type: OS::Heat::Delay, properties: {min_wait: 7200}}\n",
    "an agent": (
        "  held:\n    type: OS::Heat::SoftwareDeployment\n    properties: {server: some-server}\n"
    ),
    "agents": (
        "  held:\n    type: OS::Heat::SoftwareDeploymentGroup\n"
        "    properties: {servers: {one: a, two: b}}\n"
    ),
    "stacks inside": INSIDE,
    "a signed URL": (
        "  handle: {type: AWS::CloudFormation::WaitConditionHandle}\n"
        "  held:\n    type: AWS::CloudFormation::WaitCondition\n"
        "    properties: {Handle: {get_resource: handle}, Timeout: 7200}\n"
    ),
}
NEXT = "  next: {type: OS::Heat::RandomString, depends_on: held}\n"
FILES = {"inner.yaml": HEAD + CONDITION}
PROMPTLY = 2.0
"""Seconds: a second for each of the two stacks that may be inside one another."""


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def begin(control, template, **options):
    """The stack ten seconds later: it waits."""
    source = TemplateSource(template=template, files=FILES)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source, **options))
    await asyncio.sleep(10)
    return await find_stack(control, CALLER.project_id, "s")


async def change(control, stack, template):
    await update_stack(control, CALLER, stack, UpdateRequest(template=template, files=FILES))
    await asyncio.sleep(10)


async def ended(control):
    """The stack once nothing is under way, and how long that took; within the second looked at."""
    begun = control.clock.now()
    while await control.database.read(operation_rows.live):
        await asyncio.sleep(0.25)
    return await find_stack(control, CALLER.project_id, "s"), control.clock.now() - begun


async def states(control, stack):
    found = await list_resources(control, stack, 5)
    return {view.record.name: view.record.state for view in found}


@pytest.mark.proves("life cycle: cancelling a wait")
@pytest.mark.parametrize("wait", WAITS)
def test_a_create_that_only_waits_is_cancelled_at_once(wait):
    """Its resource has failed and says why; what is behind it was never begun."""

    async def story(control):
        stack = await begin(control, HEAD + WAITS[wait] + NEXT)
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        stack, seconds = await ended(control)
        assert (stack.state, seconds < PROMPTLY) == ("CREATE_FAILED", True)
        found = await states(control, stack)
        assert (found["held"], found["next"]) == ("CREATE_FAILED", "INIT_COMPLETE")
        assert "CREATE_IN_PROGRESS" not in found.values()
        (view,) = [
            each for each in await list_resources(control, stack) if each.record.name == "held"
        ]
        assert "CREATE aborted (user triggered cancel)" in view.record.reason

    told(story)


@pytest.mark.proves("life cycle: cancelling a wait")
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize(
    ("how", "end"), [(Cancel.ROLLBACK, "ROLLBACK_COMPLETE"), (Cancel.STOP, "UPDATE_FAILED")]
)
def test_an_update_that_only_waits_is_cancelled_at_once(wait, how, end):
    """With rollback what it had begun to add is gone again."""

    async def story(control):
        first = "  first: {type: OS::Heat::RandomString}\n"
        stack = await begin(control, HEAD + first)
        await change(control, stack, HEAD + first + WAITS[wait] + NEXT)
        await cancel_stack(control, CALLER, stack, how)
        stack, seconds = await ended(control)
        # Rolling back deletes two stacks in one another, each looked at every second.
        assert (stack.state, seconds < PROMPTLY + 4.0) == (end, True), stack.reason
        found = await states(control, stack)
        if how is Cancel.ROLLBACK:
            assert found == {"first": "CREATE_COMPLETE"}
        else:
            assert found["held"] == "CREATE_FAILED"

    told(story)


def test_a_cancelled_wait_is_waited_anew_by_the_next_update():
    """It has failed, so it is replaced, and what was behind it follows."""

    async def story(control):
        stack = await begin(control, HEAD + WAITS["the clock"] + NEXT)
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        stack, _ = await ended(control)
        short = WAITS["the clock"].replace("7200", "5")
        await change(control, stack, HEAD + short + NEXT)
        stack, _ = await ended(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert set((await states(control, stack)).values()) == {"CREATE_COMPLETE"}

    told(story)


def test_what_does_something_is_finished_first():
    """A cancel gives up the wait beside it, not the deed; the stack ends with the deed."""

    async def story(control):
        deed = "  deed: {type: OS::Heat::TestResource, properties: {wait_secs: 40}}\n"
        stack = await begin(control, HEAD + CONDITION + deed)
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        await asyncio.sleep(2)
        found = await states(control, stack)
        assert (found["held"], found["deed"]) == ("CREATE_FAILED", "CREATE_IN_PROGRESS")
        stack, seconds = await ended(control)
        assert (stack.state, 20 < seconds < 40) == ("CREATE_FAILED", True)
        assert (await states(control, stack))["deed"] == "CREATE_COMPLETE"

    told(story)


def test_an_update_that_overtakes_lets_waits_end():
    """As in Heat, running resources finish first: only a cancel gives a wait up."""

    async def story(control):
        wait = WAITS["the clock"].replace("7200", "60")
        stack = await begin(control, HEAD + wait)
        await change(control, stack, HEAD + wait + NEXT)
        assert (await states(control, stack))["held"] == "CREATE_IN_PROGRESS"
        stack, seconds = await ended(control)
        assert (stack.state, 35 < seconds < 45) == ("UPDATE_COMPLETE", True)

    told(story)


@pytest.mark.parametrize("inner", ["a signal", "stacks inside"])
@pytest.mark.parametrize(
    ("how", "end"), [(Cancel.ROLLBACK, "ROLLBACK_COMPLETE"), (Cancel.STOP, "UPDATE_FAILED")]
)
def test_cancelling_an_update_that_waits_for_what_it_overtook(inner, how, end):
    """The update is behind a create that waits; cancelling it frees both."""

    async def story(control):
        stack = await begin(control, HEAD + WAITS[inner])
        await change(control, stack, HEAD + WAITS[inner] + NEXT)
        await cancel_stack(control, CALLER, stack, how)
        # Going back leads to the first template, whose wait is begun anew.
        if how is Cancel.STOP:
            stack, seconds = await ended(control)
            assert (stack.state, seconds < PROMPTLY + 1.0) == (end, True)
            return
        await asyncio.sleep(PROMPTLY + 4.0)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "ROLLBACK_IN_PROGRESS"
        await delete_stack(control, CALLER, stack)

    told(story)


def test_an_update_behind_a_delete_is_not_what_is_cancelled():
    """A delete is under way: there is no update any more, and the delete stays asked for."""

    async def story(control):
        slow = "  held:\n    type: OS::Heat::TestResource\n"
        slow += "    properties: {action_wait_secs: {delete: 30, create: 20}}\n"
        stack = await begin(control, HEAD + slow)
        await delete_stack(control, CALLER, stack)
        stack = await find_stack(control, CALLER.project_id, "s")
        for how in (Cancel.STOP, Cancel.ROLLBACK):
            with pytest.raises(NotSupported):
                await cancel_stack(control, CALLER, stack, how)
        await quiet(control)
        gone = await find_stack(control, CALLER.project_id, stack.id, deleted=True)
        assert gone.state == "DELETE_COMPLETE"

    told(story)


def test_an_agents_deployment_is_told_to_be_over():
    """As in Heat: whoever looks at it sees that the answer counts no more."""

    async def story(control):
        stack = await begin(control, HEAD + WAITS["an agent"])
        (waiting,) = await list_deployments(control.database, CALLER.project_id)
        assert waiting.status == "IN_PROGRESS"
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        await ended(control)
        (over,) = await list_deployments(control.database, CALLER.project_id)
        assert (over.status, over.status_reason) == ("FAILED", "Deployment cancelled.")

    told(story)


# --- time-outs, and steps one by one ---------------------------------------------------------


@pytest.mark.proves("life cycle: time-outs")
@pytest.mark.parametrize("wait", WAITS)
def test_a_time_out_ends_every_wait_and_says_so_of_the_resource(wait):
    """At the stack's own time; no row is left IN_PROGRESS."""

    async def story(control):
        begun = control.clock.now()
        stack = await begin(control, HEAD + WAITS[wait] + NEXT, timeout_minutes=1)
        await asyncio.sleep(45)
        stack, _ = await ended(control)
        assert (stack.state, "timed out" in stack.reason) == ("CREATE_FAILED", True)
        assert 60 <= control.clock.now() - begun < 60 + PROMPTLY
        found = await states(control, stack)
        assert found.pop("next") == "INIT_COMPLETE"
        assert "CREATE_IN_PROGRESS" not in found.values()
        assert found["held"] == "CREATE_FAILED"

    told(story)


@pytest.mark.proves("life cycle: time-outs")
def test_a_deed_that_takes_too_long_has_failed():
    """Also one that does something: the resource says why, as in Heat."""

    async def story(control):
        slow = "  held: {type: OS::Heat::TestResource, properties: {wait_secs: 7200}}\n"
        stack = await begin(control, HEAD + slow, timeout_minutes=1)
        stack, _ = await ended(control)
        (view,) = await list_resources(control, stack)
        assert view.record.state == "CREATE_FAILED"
        assert "CREATE aborted (timed out)" in view.record.reason

    told(story)


@pytest.mark.proves("life cycle: cancelling a wait")
@pytest.mark.parametrize("wait", WAITS)
def test_a_single_step_that_only_waits_is_cancelled_at_once(wait):
    """The others are finished, and the operation fails with who asked for it."""

    async def story(control):
        stack = await begin(control, HEAD + WAITS[wait] + NEXT)
        (operation,) = [
            each
            for each in await control.database.read(operation_rows.live)
            if each.stack_id == stack.id
        ]
        await intervene(
            control, CALLER, operation, Ask(verb=Verb.CANCEL, step="held", why="enough")
        )
        stack, seconds = await ended(control)
        assert (stack.state, seconds < PROMPTLY) == ("CREATE_FAILED", True)
        assert "enough" in stack.reason
        found = await states(control, stack)
        assert (found["held"], found["next"]) == ("CREATE_FAILED", "INIT_COMPLETE")
        assert "CREATE_IN_PROGRESS" not in found.values()
        left = await list_deployments(control.database, CALLER.project_id)
        assert {each.status for each in left} <= {"FAILED"}

    told(story)


def test_an_operation_is_cancelled_by_its_id_as_well():
    """Also one that an update has overtaken and waits for."""

    async def story(control):
        stack = await begin(control, HEAD + CONDITION)
        await change(control, stack, HEAD + NEXT.replace(", depends_on: held", ""))
        first, _ = await control.database.read(operation_rows.live_of_stack, stack.id)
        await intervene(control, CALLER, first, Ask(verb=Verb.CANCEL))
        stack, seconds = await ended(control)
        assert (stack.state, seconds < PROMPTLY + 1.0) == ("UPDATE_COMPLETE", True), stack.reason

    told(story)


# --- pauses ----------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["batch_create", "rolling_update"])
def test_the_pause_between_two_batches_is_given_up(policy):
    """Nothing is done in it; no further batch is begun."""
    group = (
        "  held:\n    type: OS::Heat::ResourceGroup\n"
        "    update_policy: {%s: {max_batch_size: 1, pause_time: 600}}\n"
        "    properties:\n      count: 3\n"
        "      resource_def: {type: OS::Heat::TestResource, properties: {value: %s}}\n"
    )

    async def story(control):
        stack = await begin(control, HEAD + group % (policy, "a"))
        if policy == "rolling_update":
            await change(control, stack, HEAD + group % (policy, "b"))
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        stack, seconds = await ended(control)
        action = "CREATE" if policy == "batch_create" else "UPDATE"
        assert (stack.state, seconds < PROMPTLY) == (f"{action}_FAILED", True)
        assert (await states(control, stack))["held"] == f"{action}_FAILED"

    told(story)


# --- killed ----------------------------------------------------------------------------------

CHAIN = (
    "  deed:\n    type: OS::Nova::Server\n"
    "    properties: {flavor: m1.small, image: cirros}\n"
    + CONDITION
    + "  agent:\n    type: OS::Heat::SoftwareDeployment\n    properties: {server: some-server}\n"
    + "  late: {type: OS::Neutron::Net, depends_on: [held, deed]}\n"
)


def test_a_cancel_holds_through_a_kill_at_any_moment():
    """Wherever the power goes: what was begun ends, nothing more is begun, no row is left open."""

    def run(cut_at):
        plant = Plant(cut_at=cut_at)
        plant.faults.build_seconds = 12.0

        async def begun(control):
            stack = await begin(control, HEAD + CHAIN)
            plant.armed = True
            await cancel_stack(control, CALLER, stack, Cancel.STOP)

        async def look(control):
            await quiet(control)
            stack = await find_stack(control, CALLER.project_id, "s")
            found = await states(control, stack)
            assert stack.state == "CREATE_FAILED"
            assert (found["held"], found["agent"]) == ("CREATE_FAILED", "CREATE_FAILED")
            assert (found["deed"], found["late"]) == ("CREATE_COMPLETE", "INIT_COMPLETE")
            ends = [each.status for each in await operations(control, stack)]
            assert ends in ([OperationStatus.CANCELLED], [OperationStatus.FAILED])

        whole = plant.life(begun)
        plant.armed = False
        if not whole and not asked(plant):
            return len(plant.moments)
        assert plant.life(look)
        assert plant.problems(plant.stack("s")) == ["lost late None"]  # as it was never made
        return len(plant.moments)

    for cut_at in range(run(None)):
        run(cut_at)


async def operations(control, stack):
    def look(connection):
        return operation_rows.listing(connection, stack_id=stack.id)

    return await control.database.read(look)


def asked(plant):
    """Whether the request to cancel was durable before the power went."""
    stack = plant.stack("s")
    assert stack is not None
    with plant.database.engine.connect() as connection:
        (operation,) = operation_rows.listing(connection, stack_id=stack.id)
        return operation.cancel is not None
