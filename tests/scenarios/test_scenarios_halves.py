"""What is done in half: failed changes, parts of deletions, and what moves inside nested stacks."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.engine.deeds import doubtful
from mantle.model.errors import Conflict, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.saved import PlanStatus
from mantle.model.status import Action
from mantle.stacks.applying import ApplyRequest, apply_plan
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, list_resources, show_resource
from mantle.stacks.saving import SaveRequest, find_saved, save_plan
from mantle.stacks.update import UpdateRequest, update_stack

HEAD = "heat_template_version: 2018-08-31\nresources:\n"


def told(story):
    assert Plant().life(story)


async def made(control, template, **source):
    text = TemplateSource(template=HEAD + template, **source)
    await create_stack(control, CALLER, CreateRequest(name="s", source=text))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def updated(control, template, **options):
    stack = await find_stack(control, CALLER.project_id, "s")
    await update_stack(control, CALLER, stack, UpdateRequest(template=HEAD + template, **options))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


THING = "  thing: {type: OS::Heat::TestResource, properties: {value: %s, fail: %s}}\n"


async def stored(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    view = await show_resource(control, stack, "thing")
    return view.record.attributes["output"]


def test_a_change_that_failed_is_made_by_the_next_update():
    """Whatever half of it was done: the value tried before does not pass for the value there is."""

    async def story(control):
        await made(control, THING % ("old", "false"))
        stack = await updated(control, THING % ("new", "true"))
        assert stack.state == "UPDATE_FAILED"
        stack = await updated(control, THING % ("new", "false"))
        assert (stack.state, await stored(control)) == ("UPDATE_COMPLETE", "new")

    told(story)


def test_a_change_that_failed_is_undone_by_a_return_to_the_old_value():
    """Also when the half that was done had taken effect."""

    async def story(control):
        await made(control, THING % ("old", "false"))
        await updated(control, THING % ("new", "true"))
        stack = await updated(control, THING % ("old", "false"))
        assert (stack.state, await stored(control)) == ("UPDATE_COMPLETE", "old")

    told(story)


@pytest.mark.parametrize(
    ("good", "tried", "after", "before"),
    [
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 2}, {"a": 1}),
        ({"a": 1}, {"a": 2}, {"a": 1}, {"a": 2}),
        ({"a": 1}, {"a": 2}, {"a": 3}, {"a": 1}),
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 2, "b": 2}, {"a": 1, "b": 1}),
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": None}),
    ],
)
def test_what_differs_from_either_counts_as_changed(good, tried, after, before):
    """From the last good properties, or from those tried last."""
    assert doubtful(good, tried, after) == before


# --- parts of a deletion ---------------------------------------------------------------------

THREE = "".join(f"  {name}: {{type: OS::Neutron::Net}}\n" for name in "abc")


async def saved(control, action=Action.DELETE, template=None, **rest):
    stack = await find_stack(control, CALLER.project_id, "s")
    files = rest.pop("files", {})
    update = UpdateRequest(template=HEAD + template, files=files) if template else None
    request = SaveRequest(action=action, stack=stack, update=update, **rest)
    return await save_plan(control, CALLER, request)


async def applied(control, plan, **request):
    await apply_plan(control, CALLER, plan.id, ApplyRequest(**request))
    await quiet(control)
    await asyncio.sleep(4)
    return await find_saved(control, CALLER.project_id, plan.id)


async def names(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    return sorted(view.record.name for view in await list_resources(control, stack))


@pytest.mark.proves("beyond: parts of a deletion")
def test_a_part_of_a_deletion_leaves_the_rest_and_the_stack():
    """The stack is gone with its last resource, not before; the rest stays pending in the plan."""

    async def story(control):
        stack = await made(control, THREE)
        plan = await saved(control)
        after = await applied(control, plan, exclude=("b", "c"))
        assert after.status is PlanStatus.PARTIAL, after.reason
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "DELETE_FAILED"
        assert stack.reason == "Stack DELETE is done in part; still there: b, c"
        assert await names(control) == ["b", "c"]
        assert list(after.pending) == ["delete c", "delete b"]
        after = await applied(control, plan, include=("c",))
        assert await names(control) == ["b"]
        after = await applied(control, plan)
        assert after.status is PlanStatus.APPLIED, after.reason
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")

    told(story)


def test_what_a_part_of_a_deletion_left_can_be_deleted_without_the_plan():
    """As any stack that is deleted in part."""

    async def story(control):
        await made(control, THREE)
        plan = await saved(control, exclude=("b",))
        await applied(control, plan)
        assert await names(control) == ["b"]
        stack = await find_stack(control, CALLER.project_id, "s")
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")

    told(story)


# --- inside nested stacks --------------------------------------------------------------------

INNER = """
heat_template_version: 2018-08-31
parameters: {size: {type: number}, other: {type: number, default: 8}}
resources:
  big: {type: OS::Heat::RandomString, properties: {length: {get_param: size}}}
  small: {type: OS::Heat::RandomString, properties: {length: {get_param: other}}}
"""
OUTER = "  nest: {type: inner.yaml, properties: {size: %s, other: %s}}\n"


@pytest.mark.proves("beyond: binding plan of nested stacks")
def test_what_moved_inside_a_nested_stack_is_named():
    """By its path, and what would become of it."""

    async def story(control):
        files = {"inner.yaml": INNER}
        await made(control, OUTER % (10, 8), files=files)
        plan = await saved(control, Action.UPDATE, OUTER % (20, 8), files=files)
        assert plan.binding.inside["update nest"].keys() == {"big"}
        inner = await inside(control)
        await update_stack(
            control, CALLER, inner, UpdateRequest(existing=True, parameters={"other": 9})
        )
        await quiet(control)
        with pytest.raises(Conflict, match=r"nest: inside it, small would be touched too"):
            await apply_plan(control, CALLER, plan.id, ApplyRequest())

    told(story)


def test_what_the_plan_did_not_touch_inside_spoils_nothing():
    """A check of the nested stack moves no value; the plan is applied."""

    async def story(control):
        files = {"inner.yaml": INNER}
        await made(control, OUTER % (10, 8), files=files)
        plan = await saved(control, Action.UPDATE, OUTER % (20, 8), files=files)
        after = await applied(control, plan)
        assert after.status is PlanStatus.APPLIED, after.reason

    told(story)


async def inside(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    views = await list_resources(control, stack)
    return next(view.nested_stack for view in views if view.record.name == "nest")
