"""The watchdog in a running control plane: it marks, tells, and takes the mark away."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import Unavailable
from mantle.clouds.simulated import Faults
from mantle.model.graph import TemplateSource
from mantle.model.status import OperationStatus
from mantle.plan.watchdog import Trouble
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.explain import explain_operation
from mantle.stacks.hooks import clear_hook
from mantle.stacks.queries import EventQuery, find_operation, list_events, list_stuck
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows

pytestmark = pytest.mark.proves("beyond: watchdog")

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  last: {type: OS::Heat::RandomString, depends_on: net}
"""
HANDLED = """
heat_template_version: 2018-08-31
resources:
  handle: {type: OS::Heat::WaitConditionHandle}
  wait:
    type: OS::Heat::WaitCondition
    properties: {handle: {get_resource: handle}, timeout: 600}
"""


async def begin(control, template=TEMPLATE, environment=None):
    source = TemplateSource(template=template, environment=environment or {})
    return await create_stack(control, CALLER, CreateRequest(name="s", source=source))


async def marked(control):
    found = await list_stuck(control, CALLER.project_id)
    return [kind for _, stuck in found for kind, _, _ in stuck.reasons]


async def told(control, stack):
    events = await list_events(control, stack, EventQuery(sort_dir="asc"))
    return [
        each.event.reason.split(": ")[0].split(" ", 2)[2]
        for each in events
        if each.event.reason.startswith("Operation ")
    ]


def test_a_call_that_hangs_is_marked_until_it_comes_back():
    """One event when it is found, one when it moves again; the explanation says it at once."""
    plant = Plant(faults=Faults(latency_seconds=600.0))

    async def story(control):
        stack, operation = await begin(control)
        await asyncio.sleep(280)
        assert await marked(control) == []
        await asyncio.sleep(60)
        assert await marked(control) == [Trouble.HUNG]
        explained = await explain_operation(control, operation)
        assert [reason.kind for reason in explained.stuck] == [Trouble.HUNG]
        assert Trouble.HUNG in [kind for kind, _ in explained.troubles]
        plant.faults.latency_seconds = 0.0
        await quiet(control)
        assert await marked(control) == []
        assert await control.database.read(look_rows.count_stuck) == 0
        assert await told(control, stack) == ["cannot go on"]

    assert plant.life(story)


def test_refusal_after_refusal_is_marked_and_told_when_it_moves_again():
    """The mark says the last error; it goes when a call is answered."""
    plant = Plant(faults=Faults())
    plant.refuse = True
    inner = plant.faults.hook

    def hook(moment, call):
        inner(moment, call)
        if plant.refuse and call == "networks.create":
            raise Unavailable("the door is shut")

    plant.faults.hook = hook

    async def story(control):
        stack, operation = await begin(control, TEMPLATE.replace("net}", "net}"))
        await asyncio.sleep(400)
        assert await marked(control) == [Trouble.RETRYING]
        (_, stuck), *_ = await list_stuck(control, CALLER.project_id)
        assert "the door is shut" in stuck.reasons[0][2]
        since = stuck.since
        await asyncio.sleep(100)
        (_, stuck), *_ = await list_stuck(control, CALLER.project_id)
        assert stuck.since == since
        plant.faults.latency_seconds = 40.0  # answered, and still at work for a while
        plant.refuse = False
        await asyncio.sleep(75)
        await quiet(control)
        assert (await told(control, stack))[0] == "cannot go on"
        assert len([one for one in await told(control, stack) if one == "cannot go on"]) == 1
        done = await find_operation(control, CALLER.project_id, operation.id)
        assert done.status is OperationStatus.COMPLETE

    assert plant.life(story)


def test_a_hook_that_holds_for_an_hour_is_marked_and_moves_again_when_it_is_cleared():
    """Both are events of the stack."""
    environment = {"resource_registry": {"resources": {"net": {"hooks": "pre-create"}}}}
    plant = Plant(faults=Faults(build_seconds=100.0))
    template = TEMPLATE.replace("OS::Neutron::Net}", "OS::Cinder::Volume, properties: {size: 1}}")

    async def story(control):
        # Longer than the hour that an operation may take as a rule.
        source = TemplateSource(template=template, environment=environment)
        stack, _ = await create_stack(
            control, CALLER, CreateRequest(name="s", source=source, timeout_minutes=600)
        )
        await asyncio.sleep(3500)
        assert await marked(control) == []
        await asyncio.sleep(200)
        assert await marked(control) == [Trouble.HELD_LONG]
        await clear_hook(control, CALLER, stack, "net", "pre-create")
        await asyncio.sleep(40)
        assert await marked(control) == []
        await quiet(control)
        assert await told(control, stack) == ["cannot go on", "moves again"]

    assert plant.life(story)


def test_an_operation_without_a_holder_is_marked():
    """By any engine; here its epoch was raised, and nobody took it."""
    plant = Plant(faults=Faults(build_seconds=1.0, latency_seconds=1e6))

    async def story(control):
        _, operation = await begin(control)
        await asyncio.sleep(10)
        await control.runtime.let_go(operation.id)
        epoch = await control.database.write(operation_rows.release, operation.id)
        await asyncio.sleep(100)
        assert await marked(control) == [Trouble.NO_ENGINE]
        plant.faults.latency_seconds = 0.0
        await control.machine.start(operation.id, epoch)
        await quiet(control)
        assert await marked(control) == []

    assert plant.life(story)


def test_a_condition_that_waits_is_not_stuck_before_its_time_is_over():
    """Then it fails by itself; only one that nobody looks at is marked."""
    plant = Plant(faults=Faults())

    async def story(control):
        _, operation = await begin(control, HANDLED)
        await asyncio.sleep(500)
        assert await marked(control) == []
        explained = await explain_operation(control, operation)
        step = next(each for each in explained.steps if each.resource == "wait")
        assert step.calls > 3
        assert step.next_look_at >= control.clock.now()
        await control.runtime.let_go(operation.id)  # as if the task were gone, the engine alive
        await asyncio.sleep(300)
        assert await marked(control) == [Trouble.WAIT_OVER]
        epoch = await control.database.write(operation_rows.release, operation.id)
        await control.machine.start(operation.id, epoch)
        await quiet(control)
        done = await find_operation(control, CALLER.project_id, operation.id)
        assert done.status is OperationStatus.FAILED

    assert plant.life(story)


def test_an_end_that_cannot_be_written_is_written_later():
    """A database that refuses writes for a while leaves no operation as running with nobody."""
    plant = Plant(faults=Faults(build_seconds=1.0))

    class Full(Exception):
        """The disk is full."""

    async def story(control):
        left = {"claim": 1, "_commit": 3}
        write = plant.database._write

        async def failing(engine, function, *args, **kwargs):
            if left.get(function.__name__):
                left[function.__name__] -= 1
                raise Full
            return await write(engine, function, *args, **kwargs)

        plant.database._write = failing
        try:
            _, operation = await begin(control)
            await quiet(control)
        finally:
            plant.database._write = write
        assert left == {"claim": 0, "_commit": 0}
        done = await find_operation(control, CALLER.project_id, operation.id)
        assert (done.status, "Internal error" in done.reason) == (OperationStatus.FAILED, True)

    assert plant.life(story)
