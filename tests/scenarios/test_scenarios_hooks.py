"""Hooks hold an operation until a person lets it go on; restrictions keep an update away."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.status import Cancel
from mantle.stacks.actions import cancel_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.hooks import clear_hook, list_hooks
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_resources, stack_source
from mantle.stacks.resources import signal_resource
from mantle.stacks.update import UpdateRequest, update_stack

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  first: {type: OS::Heat::RandomString, properties: {length: 4}}
  second: {type: OS::Neutron::Net, depends_on: first, properties: {name: SECOND}}
"""
CHANGED = TEMPLATE.replace("SECOND", "CHANGED")
INNER = {"inner.yaml": TEMPLATE}
OUTER = "heat_template_version: 2018-08-31\nresources:\n  box: {type: inner.yaml}\n"


def asking(said, resource="second"):
    return {"resource_registry": {"resources": {resource: said}}}


def hooked(*hooks, resource="second"):
    return asking({"hooks": list(hooks)}, resource)


async def begin(control, environment, template=TEMPLATE, files=None):
    source = TemplateSource(template=template, environment=environment, files=files or {})
    stack, _ = await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    return stack


async def change(control, environment, template=TEMPLATE):
    stack = await find_stack(control, CALLER.project_id, "s")
    await update_stack(
        control, CALLER, stack, UpdateRequest(template=template, environment=environment)
    )


async def held(control, stack):
    """The hooks that hold the stack, once there are any."""
    while not (found := await list_hooks(control, stack)):
        await asyncio.sleep(0.5)
    return [(each.resource, each.hook) for each in found]


async def said(control, stack, words):
    """The states and reasons of the events about hooks."""
    events = await list_events(control, stack, EventQuery(nested_depth=2))
    found = [(f"{v.event.action}_{v.event.status}", v.event.reason) for v in events]
    return [each for each in reversed(found) if words in each[1]]


async def end(control):
    await quiet(control)
    return (await find_stack(control, CALLER.project_id, "s")).state


def told(story):
    assert Plant().life(story)


@pytest.mark.proves("life cycle: hooks")
def test_a_create_waits_before_the_resource_is_touched():
    """The resource stays INIT; both events say so; clearing lets the stack be made."""

    async def story(control):
        stack = await begin(control, hooked("pre-create"))
        assert await held(control, stack) == [("second", "pre-create")]
        states = {v.record.name: v.record.state for v in await list_resources(control, stack)}
        assert states == {"first": "CREATE_COMPLETE", "second": "INIT_COMPLETE"}
        await signal_resource(control, stack, "second", {"unset_hook": "pre-create"})
        assert await end(control) == "CREATE_COMPLETE"
        assert await said(control, stack, "Hook pre-create") == [
            ("INIT_COMPLETE", "CREATE paused until Hook pre-create is cleared"),
            ("INIT_COMPLETE", "Hook pre-create is cleared"),
        ]

    told(story)


@pytest.mark.proves("life cycle: hooks")
def test_an_update_waits_though_nothing_changes():
    """Whoever asked for a pre-update hook is asked before every update."""

    async def story(control):
        stack = await begin(control, hooked("pre-update"))
        assert await end(control) == "CREATE_COMPLETE"
        await change(control, hooked("pre-update"))
        assert await held(control, stack) == [("second", "pre-update")]
        await clear_hook(control, CALLER, stack, "second", "pre-update")
        assert await end(control) == "UPDATE_COMPLETE"
        states = {v.record.name: v.record.state for v in await list_resources(control, stack)}
        assert states["second"] == "CREATE_COMPLETE"

    told(story)


@pytest.mark.parametrize("hook", ["pre-update", "post-update"])
def test_a_change_in_place_is_held_before_or_behind_the_deed(hook):
    """Before: the old name is there. Behind: the new one is, and the operation goes on."""

    async def story(control):
        stack = await begin(control, hooked(hook))
        await end(control)
        await change(control, hooked(hook), CHANGED)
        assert await held(control, stack) == [("second", hook)]
        session = control.machine.session(stack)
        expected = "SECOND" if hook == "pre-update" else "CHANGED"
        assert [net.name for net in await session.networks.list() if net.name != "public"] == [
            expected
        ]
        await clear_hook(control, CALLER, stack, "second", hook)
        assert await end(control) == "UPDATE_COMPLETE"

    told(story)


def test_a_delete_waits_too():
    """The environment the stack was made with says so."""

    async def story(control):
        stack = await begin(control, hooked("pre-delete", resource="sec*"))
        await end(control)
        await delete_stack(control, CALLER, stack)
        assert await held(control, stack) == [("second", "pre-delete")]
        await clear_hook(control, CALLER, stack, "second", "pre-delete")
        await quiet(control)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")

    told(story)


@pytest.mark.proves("environment: hooks by nested path")
def test_a_hook_reaches_into_a_nested_stack():
    """By the path of names, and nowhere else."""

    async def story(control):
        stack = await begin(
            control, asking({"second": {"hooks": "pre-create"}}, "box"), OUTER, INNER
        )
        child = None
        while child is None:
            await asyncio.sleep(0.5)
            child = next(
                (v.nested_stack for v in await list_resources(control, stack) if v.nested_stack),
                None,
            )
        assert await held(control, child) == [("second", "pre-create")]
        await clear_hook(control, CALLER, child, "second", "pre-create")
        assert await end(control) == "CREATE_COMPLETE"

    told(story)


def test_cancelling_ends_the_wait():
    """What was not begun is not begun; the hook holds nothing afterwards."""

    async def story(control):
        stack = await begin(control, hooked("pre-create"))
        await held(control, stack)
        await cancel_stack(control, CALLER, stack, Cancel.STOP)
        assert await end(control) == "CREATE_FAILED"
        assert await list_hooks(control, stack) == []

    told(story)


@pytest.mark.parametrize(
    ("resource", "hook"),
    [("second", "pre-delete"), ("first", "pre-create"), ("second", "no-such-hook")],
)
def test_clearing_what_holds_nothing_is_refused(resource, hook):
    """And the one that does hold goes on holding."""

    async def story(control):
        stack = await begin(control, hooked("pre-create"))
        await held(control, stack)
        with pytest.raises(MantleError):
            await clear_hook(control, CALLER, stack, resource, hook)
        await clear_hook(control, CALLER, stack, "second", "pre-create")
        with pytest.raises(MantleError):
            await clear_hook(control, CALLER, stack, "second", "pre-create")
        assert await end(control) == "CREATE_COMPLETE"

    told(story)


def test_a_power_cut_at_any_moment_neither_skips_nor_repeats_a_hook():
    """Held before and behind: the object is made once, and both hooks are cleared by a person."""

    async def story(control):
        try:
            stack = await find_stack(control, CALLER.project_id, "s")
        except NotFound:
            stack = await begin(control, hooked("pre-create", "post-create"))
        while (await find_stack(control, CALLER.project_id, "s")).state == "CREATE_IN_PROGRESS":
            for each in await list_hooks(control, stack):
                await clear_hook(control, CALLER, stack, each.resource, each.hook)
            await asyncio.sleep(0.5)

    whole = Plant(armed=True)
    assert whole.life(story)
    for moment in range(len(whole.moments)):
        plant = Plant(armed=True, cut_at=moment)
        assert not plant.life(story)
        plant.cut_at = None
        assert plant.life(story)
        stack = plant.stack("s")
        assert (stack.state, plant.problems(stack)) == ("CREATE_COMPLETE", [])

        async def heard(control):
            stack = await find_stack(control, CALLER.project_id, "s")
            told = await said(control, stack, "is cleared")
            words = [reason for _, reason in told]
            assert words == [
                "CREATE paused until Hook pre-create is cleared",
                "Hook pre-create is cleared",
                "CREATE paused until Hook post-create is cleared",
                "Hook post-create is cleared",
            ]

        assert plant.life(heard)


@pytest.mark.proves("environment: restricted_actions")
@pytest.mark.parametrize(
    ("restricted", "template", "ends"),
    [
        ("update", CHANGED, "UPDATE_FAILED"),
        ("replace", CHANGED, "UPDATE_COMPLETE"),
        (
            "replace",
            TEMPLATE.replace("OS::Neutron::Net", "OS::Neutron::SecurityGroup"),
            "UPDATE_FAILED",
        ),
        (["update", "replace"], TEMPLATE, "UPDATE_COMPLETE"),
    ],
)
def test_a_restricted_resource_is_left_alone(restricted, template, ends):
    """The update fails as a whole and says why; nothing of the stack was touched."""

    async def story(control):
        environment = asking({"restricted_actions": restricted})
        stack = await begin(control, environment)
        await end(control)
        longer = template.replace("length: 4", "length: 5")
        await change(control, environment, longer)
        assert await end(control) == ends
        stack = await find_stack(control, CALLER.project_id, "s")
        if ends == "UPDATE_FAILED":
            assert "is restricted for resource second" in stack.reason
            states = {v.record.name: v.record.state for v in await list_resources(control, stack)}
            assert states == {"first": "CREATE_COMPLETE", "second": "CREATE_COMPLETE"}

    told(story)


@pytest.mark.proves("environment: hooks and restrictions stay in an update that gives none")
def test_an_update_of_what_exists_keeps_what_is_said_by_name():
    """PATCH gives no environment: hooks of before hold; what it does give is added by name."""

    async def story(control):
        stack = await begin(control, hooked("pre-update"))
        await quiet(control)
        other = asking({"restricted_actions": "replace"}, "first")
        for environment in ({}, other):
            request = UpdateRequest(existing=True, environment=environment)
            stack = await find_stack(control, CALLER.project_id, "s")
            await update_stack(control, CALLER, stack, request)
            assert await held(control, stack) == [("second", "pre-update")]
            await clear_hook(control, CALLER, stack, "second", "pre-update")
            assert await end(control) == "UPDATE_COMPLETE"
        stack = await find_stack(control, CALLER.project_id, "s")
        registry = (await stack_source(control, stack)).environment["resource_registry"]
        assert registry["resources"] == {**hooked("pre-update")["resource_registry"]["resources"],
                                         **other["resource_registry"]["resources"]}  # fmt: skip

    told(story)
