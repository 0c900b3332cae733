"""Outputs while an operation is under way: each has its value as soon as what it needs is there."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, stack_outputs
from mantle.stacks.update import UpdateRequest, update_stack

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  early: {type: OS::Heat::TestResource, properties: {value: WORD}}
  late:
    type: OS::Heat::TestResource
    depends_on: early
    properties: {value: WORD, action_wait_secs: {create: 30, update: 30}}
  last: {type: OS::Heat::RandomString, depends_on: late}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 1
      resource_def: {type: OS::Heat::TestResource, properties: {value: WORD}}
outputs:
  early: {value: {get_attr: [early, output]}}
  late: {value: {get_attr: [late, output]}}
  both: {value: {list_join: [",", [{get_attr: [early, output]}, {get_attr: [late, output]}]]}}
  reference: {value: {get_resource: last}}
  inside: {value: {get_attr: [group, output]}}
  fixed: {value: word}
  off: {value: {get_attr: [late, output]}, condition: never}
conditions: {never: {equals: [a, b]}}
"""


def told(story):
    assert Plant().life(story)


async def shown(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    found = await stack_outputs(control, stack)
    assert not any(each.error for each in found)
    return stack.state, {each.name: each.waits_for or each.value for each in found}


async def begin(control, word="a"):
    source = TemplateSource(template=TEMPLATE.replace("WORD", word))
    await create_stack(control, CALLER, CreateRequest(name="s", source=source))


@pytest.mark.proves("life cycle: outputs while an operation is under way")
def test_a_create_tells_what_is_there_and_what_is_waited_for():
    """Without an error: what is not there yet is null, and named."""

    async def story(control):
        await begin(control)
        await asyncio.sleep(10)
        state, outputs = await shown(control)
        assert state == "CREATE_IN_PROGRESS"
        assert outputs == {
            "early": "a",
            "late": ("late",),
            "both": ("late",),
            "reference": ("last",),
            "inside": ["a"],
            "fixed": "word",
            "off": None,
        }
        await quiet(control)
        state, outputs = await shown(control)
        assert (state, outputs["both"], outputs["off"]) == ("CREATE_COMPLETE", "a,a", None)

    told(story)


@pytest.mark.proves("life cycle: outputs while an operation is under way")
def test_an_update_tells_each_value_as_it_changes():
    """What it has not come to yet is as it was before."""

    async def story(control):
        await begin(control)
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        template = TEMPLATE.replace("WORD", "b")
        await update_stack(control, CALLER, stack, UpdateRequest(template=template))
        await asyncio.sleep(10)
        state, outputs = await shown(control)
        assert (state, outputs["both"]) == ("UPDATE_IN_PROGRESS", "b,a")
        await quiet(control)
        assert (await shown(control))[1]["both"] == "b,b"

    told(story)


def test_a_delete_takes_the_values_away_with_what_they_need():
    """As long as a resource is there, so is its value."""

    async def story(control):
        template = TEMPLATE.replace("WORD", "a").replace("{create: 30, update: 30}", "{delete: 30}")
        source = TemplateSource(template=template)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        await quiet(control)
        await delete_stack(control, CALLER, await find_stack(control, CALLER.project_id, "s"))
        await asyncio.sleep(10)
        state, outputs = await shown(control)
        assert (state, outputs["early"], outputs["late"]) == ("DELETE_IN_PROGRESS", "a", ("late",))

    told(story)


def test_a_value_that_is_wrong_is_an_error_and_not_waited_for():
    """An attribute nobody has, of a resource that is there."""

    async def story(control):
        wrong = "  fixed: {value: {list_join: [x, {get_attr: [early, output]}]}}"
        template = TEMPLATE.replace("WORD", "a").replace("  fixed: {value: word}", wrong)
        source = TemplateSource(template=template)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        await asyncio.sleep(10)
        stack = await find_stack(control, CALLER.project_id, "s")
        found = {each.name: each for each in await stack_outputs(control, stack)}
        assert (found["fixed"].waits_for, bool(found["fixed"].error)) == ((), True)

    told(story)
