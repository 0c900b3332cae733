"""The table of what stacks do in time and after failure: time-outs, retries, states kept."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import PortSpec
from mantle.clouds.simulated import Faults
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.model.status import Status
from mantle.resources.registry import default_registry
from mantle.stacks.actions import check_stack, resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_resources
from mantle.stacks.resources import mark_unhealthy
from mantle.stacks.snapshots import restore_snapshot, take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import snapshots as snapshot_rows

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
SLOW = HEAD + (
    "  slow: {type: OS::Heat::TestResource, properties: {value: %s, action_wait_secs: "
    "{create: %s, update: %s, delete: %s, suspend: %s, resume: %s}}}\n"
)
NET = HEAD + "  net: {type: OS::Neutron::Net}\n"
FAILING = HEAD + (
    "  good: {type: OS::Neutron::Net}\n"
    "  bad: {type: OS::Heat::TestResource, depends_on: good, properties: {fail: true}}\n"
    "  never: {type: OS::Neutron::Net, depends_on: bad}\n"
)


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def made(control, template, **options):
    source = TemplateSource(template=template)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source, **options))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def settled(control):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def states(control, stack):
    return {view.record.name: view.record.state for view in await list_resources(control, stack)}


# --- time-outs -------------------------------------------------------------------------------

HOURS = 7200


def slow(action):
    return SLOW % ("%s", *(HOURS if one == action else 0 for one in ACTIONS))


ACTIONS = ("create", "update", "delete", "suspend", "resume")


async def begin(control, action):
    """The slow action under way, and what it is expected to take to time out."""
    template = slow(action)
    source = TemplateSource(template=template % "a")
    request = CreateRequest(name="s", source=source, timeout_minutes=LIMIT[action])
    await create_stack(control, CALLER, request)
    if action == "create":
        return
    stack = await settled(control)
    match action:
        case "update":
            change = UpdateRequest(template=template % "b", timeout_minutes=LIMIT[action])
            await update_stack(control, CALLER, stack, change)
        case "delete":
            await delete_stack(control, CALLER, stack)
        case "suspend":
            await suspend_stack(control, CALLER, stack)
        case "resume":
            await suspend_stack(control, CALLER, stack)
            await quiet(control)
            await resume_stack(control, CALLER, stack)


LIMIT = {"create": 1, "update": 2, "delete": 3, "suspend": None, "resume": 5}
"""timeout_mins; None is the hour that Heat's stack_action_timeout gives."""


@pytest.mark.proves("life cycle: time-outs")
@pytest.mark.parametrize("action", ACTIONS)
def test_every_operation_ends_at_its_time_out(action):
    """From its start, by the stack's own timeout or the hour of all; FAILED, and told why."""

    async def story(control):
        await begin(control, action)
        begun = control.clock.now()
        stack = await settled(control)
        minutes = LIMIT[action] or 60
        assert stack.state == f"{action.upper()}_FAILED"
        assert "timed out" in stack.reason
        assert minutes * 60 <= control.clock.now() - begun <= minutes * 60 + 10

    told(story)


@pytest.mark.proves("life cycle: time-outs")
def test_what_timed_out_can_be_gone_on_with():
    """The next update waits anew, with its own time."""

    async def story(control):
        await begin(control, "create")
        stack = await settled(control)
        assert stack.state == "CREATE_FAILED"
        await update_stack(
            control, CALLER, stack, UpdateRequest(template=SLOW % ("b", 0, 0, 0, 0, 0))
        )
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason

    told(story)


@pytest.mark.proves("life cycle: time-outs")
def test_a_time_out_rolls_back_where_that_is_asked():
    """As any failure."""

    async def story(control):
        source = TemplateSource(template=slow("create") % "a")
        request = CreateRequest(name="s", source=source, timeout_minutes=1, disable_rollback=False)
        await create_stack(control, CALLER, request)
        stack = await settled(control)
        assert stack.state == "ROLLBACK_COMPLETE", stack.reason
        assert await states(control, stack) == {}

    told(story)


# --- retries ---------------------------------------------------------------------------------


@pytest.mark.proves("life cycle: retries")
@pytest.mark.parametrize("limit", [0, 1, 5])
def test_an_object_in_error_is_made_again_so_often(limit):
    """`action_retry_limit` times, with a growing pause; then the resource has failed."""
    plant = Plant(faults=Faults(build_error=1.0, build_seconds=1.0))

    async def story(control):
        control.machine.settings = replace(control.machine.settings, action_retry_limit=limit)
        template = HEAD + "  disk: {type: OS::Cinder::Volume, properties: {size: 1}}\n"
        stack = await made(control, template)
        assert stack.state == "CREATE_FAILED"
        events = await list_events(control, stack, EventQuery(limit=100))
        again = [each for each in events if "deleted and made again" in each.event.reason]
        assert len(again) == limit

    told(story, plant)


@pytest.mark.proves("life cycle: retries")
def test_a_conflict_while_deleting_is_waited_out():
    """Something else uses it for a while: the delete is asked again until it is free."""
    plant = Plant()

    async def story(control):
        stack = await made(control, NET)
        session = control.cloud_named("simulated").session(CALLER.project_id)
        (net,) = [each for each in await session.networks.list() if each.name != "public"]
        user = await session.ports.create(PortSpec(name="by hand", network_id=net.id), "by-hand")
        await delete_stack(control, CALLER, stack)
        await asyncio.sleep(60)
        assert (await find_stack(control, CALLER.project_id, "s")).state == "DELETE_IN_PROGRESS"
        await session.ports.delete(user.id)
        await quiet(control)
        assert plant.stack("s") is None

    told(story, plant)


# --- what failed, and what was never made ----------------------------------------------------


@pytest.mark.proves("life cycle: rollback of a create")
@pytest.mark.parametrize(
    ("rollback", "end"), [(False, "CREATE_FAILED"), (True, "ROLLBACK_COMPLETE")]
)
def test_a_failed_create_stays_unless_rollback_is_asked(rollback, end):
    """Off by default; rolled back, what was made is gone and the stack is kept."""

    async def story(control):
        options = {"disable_rollback": False} if rollback else {}
        stack = await made(control, FAILING, **options)
        assert stack.state == end
        left = {"good": "CREATE_COMPLETE", "bad": "CREATE_FAILED", "never": "INIT_COMPLETE"}
        assert await states(control, stack) == ({} if rollback else left)

    told(story)


@pytest.mark.proves("life cycle: suspend skips what was never made")
def test_suspend_and_resume_leave_alone_what_was_never_made():
    """What exists is suspended; what failed to be made, or was never begun, keeps its state."""

    async def story(control):
        stack = await made(control, FAILING)
        unmade = {"bad": "CREATE_FAILED", "never": "INIT_COMPLETE"}
        await suspend_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "SUSPEND_COMPLETE", stack.reason
        assert await states(control, stack) == {"good": "SUSPEND_COMPLETE", **unmade}
        await resume_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "RESUME_COMPLETE", stack.reason
        assert await states(control, stack) == {"good": "RESUME_COMPLETE", **unmade}

    told(story)


@pytest.mark.proves("life cycle: suspend twice")
@pytest.mark.parametrize("verb", [suspend_stack, resume_stack])
def test_the_same_action_again_does_nothing_to_resources(verb):
    """Already in that state: the operation has no step, and the resources no event."""

    async def story(control):
        stack = await made(control, NET)
        await suspend_stack(control, CALLER, stack)
        await quiet(control)
        if verb is resume_stack:
            await resume_stack(control, CALLER, stack)
            await quiet(control)
        before = await list_events(control, stack, EventQuery(limit=100))
        await verb(control, CALLER, await settled(control))
        stack = await settled(control)
        after = await list_events(control, stack, EventQuery(limit=100))
        assert stack.status is Status.COMPLETE
        new = [each.event.resource for each in after[: len(after) - len(before)]]
        assert set(new) <= {"s"}

    told(story)


@pytest.mark.proves("life cycle: check of everything")
def test_a_check_looks_at_everything_and_names_all_that_is_wrong():
    """Whatever fails, the rest is looked at; a type that cannot be checked passes with a note."""
    plant = Plant()

    async def story(control):
        template = NET + (
            "  other: {type: OS::Neutron::Net}\n  word: {type: OS::Heat::RandomString}\n"
        )
        stack = await made(control, template)
        session = control.cloud_named("simulated").session(CALLER.project_id)
        for net in await session.networks.list():
            if net.name != "public":
                await session.networks.delete(net.id)
        await asyncio.sleep(10)
        await check_stack(control, CALLER, stack)
        stack = await settled(control)
        assert stack.state == "CHECK_FAILED"
        assert "resources.net:" in stack.reason
        assert "resources.other:" in stack.reason
        found = await states(control, stack)
        assert found == {
            "net": "CHECK_FAILED",
            "other": "CHECK_FAILED",
            "word": "CHECK_COMPLETE",
        }

    told(story, plant)


def test_a_check_of_a_failed_stack_looks_at_what_there_is():
    """What was never made cannot be checked, and is not made to look alive."""

    async def story(control):
        stack = await made(control, FAILING)
        await check_stack(control, CALLER, stack)
        stack = await settled(control)
        found = await states(control, stack)
        assert found["good"] == "CHECK_COMPLETE"
        assert (found["bad"], found["never"]) == ("CREATE_FAILED", "INIT_COMPLETE")

    told(story)


@pytest.mark.proves("life cycle: mark unhealthy and back")
def test_what_is_marked_unhealthy_can_be_marked_well_again():
    """Then nothing is replaced."""

    async def story(control):
        stack = await made(control, NET)
        await mark_unhealthy(control, CALLER, stack, "net", unhealthy=True, reason="smells")
        assert (await states(control, stack))["net"] == "CHECK_FAILED"
        await mark_unhealthy(control, CALLER, stack, "net", unhealthy=False, reason="")
        assert (await states(control, stack))["net"] == "CHECK_COMPLETE"

    told(story)


# --- snapshots -------------------------------------------------------------------------------


@pytest.mark.proves("life cycle: snapshots refused")
@pytest.mark.parametrize("under_way", ["CREATE", "UPDATE", "SUSPEND", "DELETE"])
def test_no_snapshot_while_something_is_under_way(under_way):
    """Neither taken nor returned to: 409, and nothing is stored."""

    async def story(control):
        action = under_way.lower()
        if action != "create":
            source = TemplateSource(template=SLOW % ("a", 0, 60, 60, 60, 0))
            await create_stack(control, CALLER, CreateRequest(name="s", source=source))
            stack = await settled(control)
            kept = await take_snapshot(control, CALLER, stack, None)
            await quiet(control)
            match action:
                case "update":
                    change = UpdateRequest(template=SLOW % ("b", 0, 60, 60, 60, 0))
                    await update_stack(control, CALLER, stack, change)
                case "suspend":
                    await suspend_stack(control, CALLER, stack)
                case "delete":
                    await delete_stack(control, CALLER, stack)
        else:
            source = TemplateSource(template=SLOW % ("a", 60, 0, 0, 0, 0))
            await create_stack(control, CALLER, CreateRequest(name="s", source=source))
            kept = None
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == f"{under_way}_IN_PROGRESS"
        with pytest.raises(MantleError) as refused:
            await take_snapshot(control, CALLER, stack, None)
        assert refused.value.fault == "ActionInProgress"
        if kept is not None:
            with pytest.raises(MantleError) as refused:
                await restore_snapshot(control, CALLER, stack, kept.id)
            assert refused.value.fault == "ActionInProgress"
        count = await control.database.read(snapshot_rows.count, stack.id)
        assert count == (0 if kept is None else 1)
        await quiet(control)

    told(story)


@pytest.mark.proves("life cycle: snapshots refused")
def test_only_a_complete_snapshot_is_returned_to():
    """A failed one is not: NotSupported."""
    plant = Plant()

    async def story(control):
        template = HEAD + "  disk: {type: OS::Cinder::Volume, properties: {size: 1}}\n"
        stack = await made(control, template)
        plant.faults.build_error = 1.0
        kept = await take_snapshot(control, CALLER, stack, None)
        await quiet(control)
        with pytest.raises(MantleError) as refused:
            await restore_snapshot(control, CALLER, stack, kept.id)
        assert refused.value.fault == "NotSupported"

    told(story, plant)


# --- every type ------------------------------------------------------------------------------


@pytest.mark.proves("life cycle: check of everything")
def test_every_type_can_be_asked_for_a_check():
    """Either it looks, or it says that it cannot: no type is without the phase."""
    for name, kind in default_registry().types.items():
        assert callable(kind.check), name
        assert kind.schema.takes_snapshots == (kind.forget is not None), name
