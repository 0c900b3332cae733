"""An operation says where it is, why, and what comes next."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.simulated import Faults
from mantle.model.graph import TemplateSource
from mantle.model.status import OperationStatus
from mantle.plan.explain import Engine, StepState, Trouble, explain
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.explain import explain_operation
from mantle.stacks.hooks import clear_hook, list_hooks
from mantle.stacks.queries import find_operation, find_stack
from mantle.stacks.update import UpdateRequest, update_stack

pytestmark = pytest.mark.proves("beyond: explain an operation")

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  server:
    type: OS::Nova::Server
    depends_on: net
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
  last: {type: OS::Heat::RandomString, depends_on: server}
"""


async def begin(control, environment=None):
    source = TemplateSource(template=TEMPLATE, environment=environment or {})
    return await create_stack(control, CALLER, CreateRequest(name="s", source=source))


def slow():
    return Plant(faults=Faults(build_seconds=120.0))


def test_a_wait_is_explained_while_it_lasts():
    """The step that runs says for what and since when; the one behind says behind which."""

    async def story(control):
        _, operation = await begin(control)
        await asyncio.sleep(20)
        told = await explain_operation(control, operation)
        states = {step.resource: step.state for step in told.steps}
        assert states == {
            "net": StepState.DONE,
            "server": StepState.RUNNING,
            "last": StepState.BLOCKED,
        }
        running = next(step for step in told.steps if step.state is StepState.RUNNING)
        assert "BUILD" in running.said
        assert running.since is not None
        assert running.until is not None
        behind = next(step for step in told.steps if step.resource == "last")
        assert behind.waits_for == ("create server",)
        assert told.engine.id == control.machine.id
        assert told.troubles == ()
        assert "server" in told.next
        await quiet(control)
        ended = await explain_operation(control, operation)
        assert {step.state for step in ended.steps} == {StepState.DONE}
        assert ended.next.startswith("It has ended")

    assert slow().life(story)


def test_a_hook_says_how_to_clear_it():
    """And nothing else is wrong."""
    environment = {"resource_registry": {"resources": {"net": {"hooks": "pre-create"}}}}

    async def story(control):
        stack, operation = await begin(control, environment)
        while not await list_hooks(control, stack):
            await asyncio.sleep(1)
        told = await explain_operation(control, operation)
        assert [kind for kind, _ in told.troubles] == [Trouble.HELD]
        assert "clear-hook STACK net pre-create" in told.troubles[0][1]
        assert told.steps[0].state is StepState.HELD
        await clear_hook(control, CALLER, stack, "net", "pre-create")

    assert Plant().life(story)


def test_what_waits_behind_another_says_which():
    """The update is not planned before the create has ended."""

    async def story(control):
        stack, first = await begin(control)
        await asyncio.sleep(5)
        second = await update_stack(control, CALLER, stack, UpdateRequest(template=TEMPLATE))
        told = await explain_operation(control, second)
        assert told.behind.id == first.id
        assert Trouble.BEHIND in [kind for kind, _ in told.troubles]
        await quiet(control)
        assert (await find_stack(control, CALLER.project_id, "s")).status == "COMPLETE"

    assert slow().life(story)


@pytest.mark.parametrize(
    ("status", "engine", "age", "expected"),
    [
        (OperationStatus.RUNNING, Engine(id="e", beat_at=990.0), 5.0, []),
        (OperationStatus.RUNNING, Engine(id="e", beat_at=900.0), 5.0, [Trouble.DEAD_ENGINE]),
        (OperationStatus.RUNNING, Engine(id="e"), 5.0, [Trouble.DEAD_ENGINE]),
        (OperationStatus.QUEUED, None, 5.0, []),
        (OperationStatus.QUEUED, None, 500.0, [Trouble.NO_ENGINE]),
        (OperationStatus.COMPLETE, None, 500.0, []),
    ],
)
def test_an_operation_without_an_engine_is_named(status, engine, age, expected):
    """Held by one that is silent, or by none for too long; one that has ended needs none."""

    async def story(control):
        _, operation = await begin(control)
        await quiet(control)
        found.append(await find_operation(control, CALLER.project_id, operation.id))

    found = []
    assert Plant().life(story)

    told = explain(
        replace(found[0], status=status, created_at=1000.0 - age),
        engine=engine,
        behind=None,
        plan=None,
        rows={},
        held=[],
        now=1000.0,
    )
    assert [kind for kind, _ in told.troubles] == expected
