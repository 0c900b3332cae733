"""What people ask of steps and operations: retry, skip, take over, cancel."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import Refused, Unavailable
from mantle.clouds.simulated import Faults, SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.model.errors import Conflict, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.interventions import Verb
from mantle.model.status import Cancel, OperationStatus
from mantle.plan.interventions import StepState
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.explain import explain_operation
from mantle.stacks.hooks import list_hooks
from mantle.stacks.interventions import Ask, intervene
from mantle.stacks.queries import (
    EventQuery,
    find_operation,
    find_stack,
    list_events,
    list_operations,
    list_resources,
)
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows
from mantle.wiring import assemble

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
  last: {type: OS::Heat::RandomString, depends_on: server}
outputs:
  name: {value: {get_attr: [server, name]}}
"""


class Trouble:
    """Calls of the cloud that are refused, or do not come back, for as long as it lasts."""

    def __init__(self, plant):
        self.plant, self.calls, self.error = plant, set(), Refused
        self.inner = plant.faults.hook
        plant.faults.hook = self
        self.seen = []

    def __call__(self, moment, call):
        self.inner(moment, call)
        if moment == "before":
            self.seen.append(call)
            if call in self.calls:
                raise self.error(f"{call} is refused.")


def plant_with(*calls, error=Refused, **faults):
    plant = Plant(
        faults=Faults(build_seconds=2.0, delete_seconds=1.0) if not faults else Faults(**faults)
    )
    trouble = Trouble(plant)
    trouble.calls, trouble.error = set(calls), error
    return plant, trouble


async def begin(control, template=TEMPLATE, **more):
    request = CreateRequest(name="s", source=TemplateSource(template=template), **more)
    return await create_stack(control, CALLER, request)


async def ended(control, operation):
    """The operation once it has ended."""
    while not (now := await fresh(control, operation)).status.ended:
        await asyncio.sleep(1.0)
    return now


async def fresh(control, operation):
    return await find_operation(control, CALLER.project_id, operation.id)


async def ask(control, operation, verb, step="", **more):
    return await intervene(
        control, CALLER, await fresh(control, operation), Ask(verb=verb, step=step, **more)
    )


async def states(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    return {view.record.name: view.record.state for view in await list_resources(control, stack)}


async def stack_of(control):
    return await find_stack(control, CALLER.project_id, "s")


async def steps(control, operation):
    told = await explain_operation(control, operation)
    return {str(step.key): step for step in told.steps}


def life(plant, story, *, missing=False):
    """A story, after which nothing is doubled or unknown, nor, unless it is skipped, missing."""
    assert plant.life(story)
    found = plant.problems(plant.stack("s"))
    assert [one for one in found if not (missing and one.startswith("lost"))] == []


# --- retry -----------------------------------------------------------------------------------


@pytest.mark.proves("beyond: retry a failed operation")
def test_a_failed_operation_goes_on_from_its_failed_steps():
    """The same operation and plan; what was done is not done again."""
    plant, trouble = plant_with("servers.create")

    async def story(control):
        _, operation = await begin(control)
        failed = await ended(control, operation)
        assert failed.status is OperationStatus.FAILED
        trouble.calls.clear()
        trouble.seen.clear()
        asked = await ask(control, operation, Verb.RETRY, why="the quota was raised")
        assert (asked.honoured, asked.step, asked.before.partition(":")[0]) == (True, "", "failed")
        assert (await stack_of(control)).state == "CREATE_IN_PROGRESS"
        done = await ended(control, operation)
        assert (done.status, done.plan_id) == (OperationStatus.COMPLETE, failed.plan_id)
        assert done.epoch > failed.epoch
        assert (await stack_of(control)).state == "CREATE_COMPLETE"
        assert set((await states(control)).values()) == {"CREATE_COMPLETE"}
        assert "networks.create" not in trouble.seen

    life(plant, story)


@pytest.mark.proves("beyond: verbs on steps are recorded")
def test_who_asked_when_and_why_is_kept():
    """In the explanation, and as events of the resource."""
    plant, trouble = plant_with("servers.create")

    async def story(control):
        stack, operation = await begin(control)
        await ended(control, operation)
        trouble.calls.clear()
        await ask(control, operation, Verb.RETRY, "server", why="mended")
        await ended(control, operation)
        told = await explain_operation(control, operation)
        (kept,) = told.interventions
        assert (kept.user_name, kept.why, kept.verb, kept.step) == (
            "tester",
            "mended",
            Verb.RETRY,
            "create server",
        )
        assert kept.before.startswith("failed: servers.create is refused.")
        said = [
            each.event.reason
            for each in await list_events(control, stack, EventQuery(resource="server"))
        ]
        assert any(
            "retry of step 'create server' asked for by tester: mended" in one for one in said
        )
        assert "begun again, asked for by tester: mended" in said

    life(plant, story)


@pytest.mark.proves("beyond: retry a step")
def test_one_failed_step_is_retried_and_the_others_stay_failed():
    """Their failures do not keep it back, and the operation ends with them."""
    plant, trouble = plant_with("networks.create", "volumes.create")

    async def story(control):
        _, operation = await begin(control)
        await ended(control, operation)
        trouble.calls.discard("networks.create")
        with pytest.raises(Conflict, match="was not begun when the operation ended"):
            await ask(control, operation, Verb.RETRY, "create server")
        await ask(control, operation, Verb.RETRY, "create net")
        again = await ended(control, operation)
        assert again.status is OperationStatus.FAILED
        assert await states(control) == {
            "net": "CREATE_COMPLETE",
            "volume": "CREATE_FAILED",
            "server": "CREATE_COMPLETE",
            "last": "CREATE_COMPLETE",
        }
        trouble.calls.clear()
        await ask(control, operation, Verb.RETRY)
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story)


def test_a_step_that_failed_is_retried_while_others_still_run():
    """The operation then ends well: nothing was stopped for the failure."""
    plant, trouble = plant_with("networks.create", build_seconds=60.0)

    async def story(control):
        _, operation = await begin(control)
        while (await steps(control, operation))["create net"].state is not StepState.FAILED:
            await asyncio.sleep(1)
        trouble.calls.clear()
        asked = await ask(control, operation, Verb.RETRY, "net")
        assert asked.settled_at is None
        done = await ended(control, operation)
        assert done.status is OperationStatus.COMPLETE
        (kept,) = (await explain_operation(control, operation)).interventions
        assert kept.honoured

    life(plant, story)


def test_a_call_that_does_not_come_back_is_called_again():
    """The step that hangs is stopped like a killed process, and begun anew."""
    plant, _ = plant_with(latency_seconds=0.0, build_seconds=1.0)

    async def story(control):
        plant.faults.latency_seconds = 1e7
        _, operation = await begin(control)
        await asyncio.sleep(1000)
        assert (await states(control))["net"] == "CREATE_IN_PROGRESS"
        plant.faults.latency_seconds = 0.0
        await ask(control, operation, Verb.RETRY, "net")
        await ask(control, operation, Verb.RETRY, "volume")
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story)


def test_an_object_in_error_is_found_by_its_token_and_made_again():
    """A retry begins with the tries it has at first, on the same row."""
    plant, _ = plant_with(build_seconds=1.0, delete_seconds=1.0, build_error=1.0)

    async def story(control):
        _, operation = await begin(control)
        assert (await ended(control, operation)).status is OperationStatus.FAILED
        plant.faults.build_error = 0.0
        await ask(control, operation, Verb.RETRY)
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story)


def test_what_has_gone_on_since_cannot_be_retried():
    """The plan of an operation fits only as long as no other came behind it."""
    plant, trouble = plant_with("servers.create")

    async def story(control):
        stack, operation = await begin(control)
        await ended(control, operation)
        trouble.calls.clear()
        second = await update_stack(control, CALLER, stack, UpdateRequest(template=TEMPLATE))
        await ended(control, second)
        with pytest.raises(
            Conflict, match=f"the stack has gone on since, with operation {second.id}"
        ):
            await ask(control, operation, Verb.RETRY)
        told = await explain_operation(control, operation)
        assert (told.verbs, {step.verbs for step in told.steps}) == ((), {()})
        assert "cannot go on" in told.next
        with pytest.raises(Conflict, match="it is complete"):
            await ask(control, second, Verb.RETRY)

    life(plant, story)


def test_a_failed_update_and_a_failed_delete_go_on():
    """Every kind of operation can; rows that are gone already are no obstacle."""
    plant, trouble = plant_with("servers.update")
    bigger = TEMPLATE.replace("m1.small", "m1.medium").replace("size: 1", "size: 2")

    async def story(control):
        stack, first = await begin(control)
        await ended(control, first)
        update = await update_stack(control, CALLER, stack, UpdateRequest(template=bigger))
        trouble.calls |= {"servers.update", "servers.power", "servers.rebuild"}
        if (await ended(control, update)).status is OperationStatus.FAILED:
            trouble.calls.clear()
            await ask(control, update, Verb.RETRY)
        assert (await ended(control, update)).status is OperationStatus.COMPLETE
        trouble.calls |= {"networks.delete"}
        gone = await delete_stack(control, CALLER, await stack_of(control))
        assert (await ended(control, gone)).status is OperationStatus.FAILED
        assert (await stack_of(control)).state == "DELETE_FAILED"
        trouble.calls.clear()
        await ask(control, gone, Verb.RETRY)
        assert (await ended(control, gone)).status is OperationStatus.COMPLETE
        with pytest.raises(NotFound):
            await stack_of(control)

    assert plant.life(story)
    assert plant.problems(None) == []


def test_a_hook_that_was_cleared_is_not_asked_again_by_a_retry():
    """It stood before the deed, and that was begun."""
    environment = {"resource_registry": {"resources": {"server": {"hooks": "pre-create"}}}}
    plant, trouble = plant_with("servers.create")

    async def story(control):
        from mantle.stacks.hooks import clear_hook

        source = TemplateSource(template=TEMPLATE, environment=environment)
        stack, operation = await create_stack(
            control, CALLER, CreateRequest(name="s", source=source)
        )
        while not await list_hooks(control, stack):
            await asyncio.sleep(1)
        with pytest.raises(Conflict, match="a hook holds it"):
            await ask(control, operation, Verb.RETRY, "server")
        await clear_hook(control, CALLER, stack, "server", "pre-create")
        await ended(control, operation)
        trouble.calls.clear()
        await ask(control, operation, Verb.RETRY)
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story)


# --- skip ------------------------------------------------------------------------------------


@pytest.mark.proves("beyond: skip a step")
def test_a_skipped_step_leaves_its_resource_as_failed_and_the_rest_is_done():
    """The operation says what it did without; the next update does it."""
    plant, trouble = plant_with("volumes.create")

    async def story(control):
        _, operation = await begin(control)
        await ended(control, operation)
        asked = await ask(control, operation, Verb.SKIP, "volume", why="not needed yet")
        assert asked.resources == ("volume",)
        done = await ended(control, operation)
        assert done.status is OperationStatus.COMPLETE
        assert "skipped: create volume (Skipped by tester: not needed yet)" in done.reason
        assert (await states(control))["volume"] == "CREATE_FAILED"
        assert (await states(control))["last"] == "CREATE_COMPLETE"
        assert (await stack_of(control)).state == "CREATE_COMPLETE"
        told = await steps(control, operation)
        assert told["create volume"].state is StepState.SKIPPED
        trouble.calls.clear()
        update = await update_stack(
            control, CALLER, await stack_of(control), UpdateRequest(template=TEMPLATE)
        )
        await ended(control, update)
        assert (await states(control))["volume"] == "CREATE_COMPLETE"

    life(plant, story)


def test_a_step_under_way_is_skipped_and_its_object_stays_known():
    """The cloud goes on building it; the row leads to it until the next update removes it."""
    plant, _ = plant_with(build_seconds=100.0, delete_seconds=1.0)

    async def story(control):
        _, operation = await begin(control)
        while (await states(control))["server"] != "CREATE_IN_PROGRESS":
            await asyncio.sleep(1)
        await asyncio.sleep(5)
        await ask(control, operation, Verb.SKIP, "server")
        done = await ended(control, operation)
        assert done.status is OperationStatus.COMPLETE
        view = {
            each.record.name: each.record
            for each in await list_resources(control, await stack_of(control))
        }["server"]
        assert (view.state, view.physical_id is not None) == ("CREATE_FAILED", True)
        assert view.reason.startswith("Skipped by tester. It was: ")
        update = await update_stack(
            control, CALLER, await stack_of(control), UpdateRequest(template=TEMPLATE)
        )
        await ended(control, update)
        assert (await states(control))["server"] == "CREATE_COMPLETE"

    life(plant, story)


def test_who_needs_a_value_of_what_was_skipped_fails():
    """Nothing pretends that it is there."""
    plant, _ = plant_with("networks.create")

    async def story(control):
        _, operation = await begin(control)
        await ended(control, operation)
        await ask(control, operation, Verb.SKIP, "net")
        again = await ended(control, operation)
        assert again.status is OperationStatus.FAILED
        assert "known after net, which is not there" in again.reason

    life(plant, story, missing=True)


def test_a_skipped_update_spares_what_it_would_have_freed():
    """What is removed only after the step stays, as the step would have moved something off it."""
    other = TEMPLATE.replace("  net: {type", "  other: {type").replace(
        "get_resource: net", "get_resource: other"
    )
    plant, trouble = plant_with()

    async def story(control):
        stack, first = await begin(control)
        await ended(control, first)
        trouble.calls |= {"servers.create", "servers.update"}
        update = await update_stack(control, CALLER, stack, UpdateRequest(template=other))
        assert (await ended(control, update)).status is OperationStatus.FAILED
        asked = await ask(control, update, Verb.SKIP, "server")
        assert asked.resources == ("net", "server")
        done = await ended(control, update)
        assert done.status is OperationStatus.COMPLETE
        assert (await states(control))["net"] == "CREATE_COMPLETE"
        assert [row[0] for row in plant.world.listing() if row[0] == "servers"] == ["servers"]
        trouble.calls.clear()
        second = await update_stack(
            control, CALLER, await stack_of(control), UpdateRequest(template=other)
        )
        assert (await ended(control, second)).status is OperationStatus.COMPLETE
        assert set(await states(control)) == {"other", "volume", "server", "last"}

    life(plant, story)


def test_a_stack_stays_when_something_of_it_was_not_removed():
    """What is left is in the stack, and a second deletion removes it."""
    plant, trouble = plant_with()

    async def story(control):
        stack, first = await begin(control)
        await ended(control, first)
        trouble.calls |= {"servers.delete"}
        gone = await delete_stack(control, CALLER, stack)
        await ended(control, gone)
        await ask(control, gone, Verb.SKIP, "server")
        left = await ended(control, gone)
        assert left.status is OperationStatus.FAILED
        assert "not removed were: delete server" in left.reason
        assert set(await states(control)) == {"server", "net"}
        trouble.calls.clear()
        again = await delete_stack(control, CALLER, await stack_of(control))
        assert (await ended(control, again)).status is OperationStatus.COMPLETE

    assert plant.life(story)
    assert plant.problems(None) == []


def test_a_replacement_that_is_skipped_leaves_the_old_one_in_use():
    """It is not removed, and whoever refers to it gets the old one."""
    template = """
heat_template_version: 2018-08-31
resources:
  volume: {type: OS::Cinder::Volume, properties: {size: 1, availability_zone: a}}
  told: {type: OS::Heat::Value, properties: {value: {get_resource: volume}}}
"""
    elsewhere = template.replace("zone: a}", "zone: b}")
    plant, trouble = plant_with()

    async def story(control):
        stack, first = await begin(control, template)
        await ended(control, first)
        (before,) = [row for row in plant.world.listing() if row[0] == "volumes"]
        trouble.calls |= {"volumes.create"}
        update = await update_stack(control, CALLER, stack, UpdateRequest(template=elsewhere))
        await ended(control, update)
        await ask(control, update, Verb.SKIP, "volume")
        done = await ended(control, update)
        assert done.status is OperationStatus.COMPLETE, done.reason
        assert [row for row in plant.world.listing() if row[0] == "volumes"] == [before]
        rows = {
            each.record.name: each.record
            for each in await list_resources(control, await stack_of(control))
        }
        assert rows["told"].attributes["value"] == before[1]
        trouble.calls.clear()
        second = await update_stack(
            control, CALLER, await stack_of(control), UpdateRequest(template=elsewhere)
        )
        assert (await ended(control, second)).status is OperationStatus.COMPLETE

    life(plant, story)


@pytest.mark.parametrize("verb", [Verb.SKIP, Verb.CANCEL])
def test_a_step_that_a_hook_holds_is_let_go_without_its_deed(verb):
    """The hook is cleared with it: nothing of it is asked of anybody any more."""
    environment = {"resource_registry": {"resources": {"last": {"hooks": "pre-create"}}}}
    plant, _ = plant_with()

    async def story(control):
        source = TemplateSource(template=TEMPLATE, environment=environment)
        stack, operation = await create_stack(
            control, CALLER, CreateRequest(name="s", source=source)
        )
        while not await list_hooks(control, stack):
            await asyncio.sleep(1)
        assert (await steps(control, operation))["create last"].verbs == (Verb.SKIP, Verb.CANCEL)
        await ask(control, operation, verb, "last")
        done = await ended(control, operation)
        well = OperationStatus.COMPLETE if verb is Verb.SKIP else OperationStatus.FAILED
        assert done.status is well
        assert await list_hooks(control, stack) == []
        assert (await states(control))["last"] == "INIT_COMPLETE"

    life(plant, story)


def test_what_a_saved_plan_says_is_not_skipped():
    """And what it left undone is done by applying it again, not by going on."""
    plant, trouble = plant_with()

    async def story(control):
        from mantle.model.status import Action
        from mantle.stacks.applying import ApplyRequest, apply_plan
        from mantle.stacks.saving import SaveRequest, save_plan

        stack, first = await begin(control)
        await ended(control, first)
        wanted = UpdateRequest(template=TEMPLATE.replace("size: 1", "size: 2"))
        plan = await save_plan(
            control, CALLER, SaveRequest(action=Action.UPDATE, stack=stack, update=wanted)
        )
        trouble.calls |= {"volumes.update", "volumes.grow", "volumes.extend", "volumes.get"}
        await apply_plan(control, CALLER, plan.id, ApplyRequest())
        operation = (await list_operations(control, stack))[0]
        failed = await ended(control, operation)
        assert failed.status is OperationStatus.FAILED
        with pytest.raises(Conflict, match="a saved plan does precisely its steps"):
            await ask(control, operation, Verb.SKIP, "volume")
        with pytest.raises(Conflict, match=f"it is a part of saved plan {plan.id}"):
            await ask(control, operation, Verb.RETRY)

    life(plant, story)


def test_a_resource_marked_unhealthy_since_stays_so_when_the_operation_goes_on():
    """Its step was done; what somebody found out later is not undone by a retry of others."""
    plant, trouble = plant_with("servers.create")

    async def story(control):
        from mantle.stacks.resources import mark_unhealthy

        stack, operation = await begin(control)
        await ended(control, operation)
        await mark_unhealthy(control, CALLER, stack, "volume", unhealthy=True, reason="it smells")
        trouble.calls.clear()
        await ask(control, operation, Verb.RETRY)
        await ended(control, operation)
        assert (await states(control))["volume"] == "CHECK_FAILED"
        assert (await states(control))["server"] == "CREATE_COMPLETE"

    life(plant, story)


# --- cancel ----------------------------------------------------------------------------------


@pytest.mark.proves("beyond: cancel a step")
def test_a_cancelled_step_fails_and_with_it_the_operation():
    """Nothing more is begun; the object of the step is known by its row."""
    plant, _ = plant_with(build_seconds=300.0)

    async def story(control):
        _, operation = await begin(control)
        while (await states(control))["server"] != "CREATE_IN_PROGRESS":
            await asyncio.sleep(1)
        await ask(control, operation, Verb.CANCEL, "server", why="wrong flavor")
        done = await ended(control, operation)
        assert done.status is OperationStatus.FAILED
        assert "Cancelled by tester: wrong flavor" in done.reason
        assert (await states(control))["last"] == "INIT_COMPLETE"

    life(plant, story)


def test_with_continue_the_others_are_done_and_nothing_is_rolled_back():
    """Whoever says so wants what can be had."""
    template = TEMPLATE + "  \n"
    template = template.replace(
        "  last:", "  fine: {type: OS::Heat::RandomString, depends_on: volume}\n  last:"
    )
    plant, _ = plant_with("networks.create", error=Unavailable)

    async def story(control):
        _, operation = await begin(control, template, disable_rollback=False)
        await asyncio.sleep(5)
        await ask(control, operation, Verb.CANCEL, "create net", carry_on=True)
        done = await ended(control, operation)
        assert done.status is OperationStatus.FAILED
        assert await states(control) == {
            "net": "CREATE_FAILED",
            "volume": "CREATE_COMPLETE",
            "fine": "CREATE_COMPLETE",
            "server": "INIT_COMPLETE",
            "last": "INIT_COMPLETE",
        }
        assert len(await list_operations(control, await stack_of(control))) == 1

    life(plant, story, missing=True)


def test_an_operation_is_cancelled_now():
    """Its steps under way are stopped; it can go on later."""
    plant, _ = plant_with(build_seconds=300.0)

    async def story(control):
        _, operation = await begin(control)
        await asyncio.sleep(20)
        began = control.clock.now()
        await ask(control, operation, Verb.CANCEL, now=True)
        done = await ended(control, operation)
        assert control.clock.now() - began < 5
        assert (done.status, done.cancel) == (OperationStatus.FAILED, Cancel.STOP)
        plant.faults.build_seconds = 1.0
        await ask(control, operation, Verb.RETRY)
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story)


# --- take over -------------------------------------------------------------------------------


def second_engine(plant, control, cloud_faults):
    """Another engine on the same database and world."""
    return assemble(
        database=plant.database,
        clouds={
            "simulated": SimulatedCloud(clock=control.clock, world=plant.world, faults=cloud_faults)
        },
        default_cloud="simulated",
        runtime=TaskRuntime(),
        links=Links(base_url="http://127.0.0.1:1", key=b"test"),
        clock=control.clock,
        settings=Settings(poll_first_seconds=0.5, watch_seconds=0, drift_seconds=0),
    )


@pytest.mark.proves("beyond: take an operation over")
def test_another_engine_takes_an_operation_over_from_one_that_hangs():
    """Its epoch is higher, so the former holder writes nothing more, and nothing is doubled."""
    plant, _ = plant_with(latency_seconds=0.0, build_seconds=1.0)

    async def story(control):
        plant.faults.latency_seconds = 500.0  # every call of the first engine
        _, operation = await begin(control)
        await asyncio.sleep(100)
        other, engine = second_engine(plant, control, Faults(build_seconds=1.0))
        await engine.runtime.open(engine._perform, other.machine.id, [])
        before = await fresh(other, operation)
        asked = await ask(other, operation, Verb.TAKE_OVER, why="its host hangs")
        assert asked.outcome == (
            f"taken from {control.machine.id} (epoch {before.epoch}); "
            f"who goes on with it has epoch {before.epoch + 2}"
        )
        done = await ended(other, operation)
        assert (done.status, done.engine) == (OperationStatus.COMPLETE, other.machine.id)
        await asyncio.sleep(2000)  # the first engine's calls come back
        assert await fresh(other, operation) == done
        plant.faults.latency_seconds = 0.0
        await engine.runtime.close()

    life(plant, story)


def test_an_engine_takes_over_from_itself():
    """What hangs here is let go, and begun anew here."""
    plant, _ = plant_with(latency_seconds=0.0, build_seconds=1.0)

    async def story(control):
        plant.faults.latency_seconds = 1e7
        _, operation = await begin(control)
        await asyncio.sleep(100)
        plant.faults.latency_seconds = 0.0
        await ask(control, operation, Verb.TAKE_OVER)
        done = await ended(control, operation)
        assert (done.status, done.epoch) == (OperationStatus.COMPLETE, 3)
        with pytest.raises(Conflict, match="it is complete"):
            await ask(control, operation, Verb.TAKE_OVER)

    life(plant, story)


def test_a_queued_operation_is_not_held_twice():
    """Taken over while it waits for its turn, it goes on once."""
    plant, _ = plant_with(build_seconds=50.0)

    async def story(control):
        stack, first = await begin(control)
        await asyncio.sleep(5)
        second = await update_stack(
            control, CALLER, stack, UpdateRequest(template=TEMPLATE.replace("size: 1", "size: 2"))
        )
        await asyncio.sleep(5)
        await ask(control, second, Verb.TAKE_OVER)
        await ended(control, first)
        assert (await ended(control, second)).status is OperationStatus.COMPLETE

    life(plant, story)


def test_whoever_waited_with_an_operation_that_was_taken_over_does_not_hold_it():
    """Its turn comes, and the first engine leaves it to the second."""
    plant, trouble = plant_with(build_seconds=50.0)
    more = TEMPLATE.replace("  net: {", "  added: {type: OS::Neutron::Net}\n  net: {")

    async def story(control):
        stack, first = await begin(control)
        await asyncio.sleep(5)
        second = await update_stack(control, CALLER, stack, UpdateRequest(template=more))
        await asyncio.sleep(5)
        other, engine = second_engine(plant, control, Faults(build_seconds=1.0))
        await engine.runtime.open(engine._perform, other.machine.id, [])
        await ask(other, second, Verb.TAKE_OVER)
        trouble.seen.clear()
        done = await ended(other, second)
        assert (done.status, done.engine) == (OperationStatus.COMPLETE, other.machine.id)
        assert "networks.create" not in trouble.seen
        await engine.runtime.close()
        assert (await fresh(control, first)).status.ended

    life(plant, story)


# --- stacks inside ---------------------------------------------------------------------------

INNER = """
heat_template_version: 2018-08-31
resources:
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: OS::Cinder::Volume, properties: {size: 1}}
  after: {type: OS::Heat::RandomString, depends_on: group}
"""


async def inner_operation(control):
    live = await control.database.read(operation_rows.listing, project_id=CALLER.project_id)
    return next(each for each in live if each.parent_id is not None)


@pytest.mark.parametrize("where", ["outer", "inner"])
def test_a_failure_inside_is_retried_from_either_end(where):
    """The stack inside and the step that it is done for go on together."""
    plant, trouble = plant_with("volumes.create")

    async def story(control):
        _, operation = await begin(control, INNER)
        assert (await ended(control, operation)).status is OperationStatus.FAILED
        inner = await inner_operation(control)
        assert inner.status is OperationStatus.FAILED
        trouble.calls.clear()
        await ask(control, operation if where == "outer" else inner, Verb.RETRY)
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE
        assert (await fresh(control, inner)).status is OperationStatus.COMPLETE
        assert set((await states(control)).values()) == {"CREATE_COMPLETE"}

    life(plant, story)


def test_a_member_is_skipped_and_the_stacks_above_go_on():
    """The group has one member fewer that works, and says so."""
    plant, _ = plant_with("volumes.create")

    async def story(control):
        _, operation = await begin(control, INNER)
        await ended(control, operation)
        inner = await inner_operation(control)
        await ask(control, inner, Verb.SKIP, "0")
        assert (await ended(control, operation)).status is OperationStatus.FAILED
        await ask(control, inner, Verb.SKIP, "1")
        assert (await ended(control, operation)).status is OperationStatus.COMPLETE

    life(plant, story, missing=True)


def test_cancelling_a_step_ends_what_the_stack_inside_does():
    """Nothing goes on behind its back."""
    plant, _ = plant_with(build_seconds=3000.0)

    async def story(control):
        _, operation = await begin(control, INNER)
        await asyncio.sleep(20)
        told = (await steps(control, operation))["create group"]
        inner = await inner_operation(control)
        assert (told.inner, Verb.RETRY in told.verbs) == (inner.id, False)
        with pytest.raises(Conflict, match=f"its work is done by operation {inner.id}"):
            await ask(control, operation, Verb.RETRY, "group")
        await ask(control, operation, Verb.CANCEL, "group")
        assert (await ended(control, operation)).status is OperationStatus.FAILED
        assert (await ended(control, inner)).status.ended

    life(plant, story)


# --- requests --------------------------------------------------------------------------------


def test_asking_twice_is_asking_once():
    """The open request is answered; nothing is stored."""
    plant, _ = plant_with(build_seconds=100.0)

    async def story(control):
        _, operation = await begin(control)
        await asyncio.sleep(5)
        one = await ask(control, operation, Verb.SKIP, "volume")
        two = await ask(control, operation, Verb.SKIP, "create volume")
        assert one == two
        await quiet(control)
        kept = await control.database.read(intervention_rows.of_operation, operation.id)
        assert [each.honoured for each in kept] == [True]

    assert plant.life(story)


def test_a_step_that_is_not_there_is_404_with_the_nearest():
    """And a resource with one step may be named itself."""
    plant, _ = plant_with()

    async def story(control):
        _, operation = await begin(control)
        with pytest.raises(NotFound, match="Did you mean 'create server'"):
            await ask(control, operation, Verb.SKIP, "creat server")
        await quiet(control)
        with pytest.raises(Conflict, match="the operation is complete"):
            await ask(control, operation, Verb.SKIP, "server")

    assert plant.life(story)


def test_an_error_that_is_tried_again_is_told():
    """How often it was refused, when last, and when it is asked again."""
    plant, trouble = plant_with("volumes.create", error=Unavailable)

    async def story(control):
        _, operation = await begin(control)
        await asyncio.sleep(120)
        step = (await steps(control, operation))["create volume"]
        assert step.errors > 4
        assert step.last_error == "volumes.create is refused."
        assert step.next_look_at > step.error_at
        assert set(step.verbs) == {Verb.RETRY, Verb.SKIP, Verb.CANCEL}
        trouble.calls.clear()
        await ask(control, operation, Verb.RETRY, "volume")
        began = control.clock.now()
        await ended(control, operation)
        assert control.clock.now() - began < 10

    life(plant, story)
