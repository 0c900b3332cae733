"""Stacks inside stacks: made from a text, on this cloud or another, and chains of resources."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import check_stack, resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.update import UpdateRequest, update_stack

OUTER = """
heat_template_version: 2018-08-31
parameters:
  length: {type: number, default: 4}
resources:
  inner:
    type: OS::Heat::Stack
    properties:
      template: {get_file: inner.yaml}
      parameters: {length: {get_param: length}}
outputs:
  text: {value: {get_attr: [inner, outputs, text]}}
"""
INNER = """
heat_template_version: 2018-08-31
parameters:
  length: {type: number}
resources:
  random: {type: OS::Heat::RandomString, properties: {length: {get_param: length}}}
outputs:
  text: {value: {get_attr: [random, value]}}
"""
CHAIN = """
heat_template_version: 2018-08-31
resources:
  chain:
    type: OS::Heat::ResourceChain
    properties: {resources: TYPES, resource_properties: {length: 6}}
outputs:
  refs: {value: {get_attr: [chain, refs]}}
"""


def source(template=OUTER, inner=INNER, **parameters):
    return TemplateSource(template=template, files={"inner.yaml": inner}, parameters=parameters)


async def made(control, given):
    await create_stack(control, CALLER, CreateRequest(name="s", source=given))
    return await settled(control)


async def settled(control):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


def told(story):
    assert Plant().life(story)


@pytest.mark.proves("type: OS::Heat::Stack")
def test_a_stack_from_a_text_lives_with_the_one_that_holds_it():
    """Created, changed in place, suspended, checked, and deleted; the id stays the same."""

    async def story(control):
        stack = await made(control, source())
        assert len(stack.outputs["text"]) == 4
        inner = (await list_resources(control, stack))[0].record.physical_id
        found = await find_stack(control, CALLER.project_id, inner)
        assert found.outputs == stack.outputs
        again = source(length=7)
        request = UpdateRequest(
            template=again.template, files=again.files, parameters=again.parameters
        )
        await update_stack(control, CALLER, stack, request)
        stack = await settled(control)
        assert (stack.state, len(stack.outputs["text"])) == ("UPDATE_COMPLETE", 7)
        assert (await list_resources(control, stack))[0].record.physical_id == inner
        for verb, state in (
            (suspend_stack, "SUSPEND_COMPLETE"),
            (resume_stack, "RESUME_COMPLETE"),
            (check_stack, "CHECK_COMPLETE"),
        ):
            await verb(control, CALLER, stack)
            stack = await settled(control)
            assert (stack.state, stack.reason) == (state, stack.reason)
            assert (await find_stack(control, CALLER.project_id, inner)).state == state
        await delete_stack(control, CALLER, stack)

    told(story)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "properties:\n      template",
            "properties:\n      context: {region_name: DARKHOLE}\n      template",
            'region "DARKHOLE" due to "public endpoint for orchestration service in DARKHOLE',
        ),
        ("{get_file: inner.yaml}", "resource", "Failed validating stack template"),
    ],
)
def test_what_cannot_be_made_is_refused_at_once(old, new, message):
    """Before anything is stored, in the words Heat's clients know."""

    async def story(control):
        with pytest.raises(MantleError, match=message):
            await made(control, source(OUTER.replace(old, new)))

    told(story)


def test_another_heats_credentials_have_to_be_there():
    """A secret the project does not have is named; nothing is silently ignored."""
    context = "context: {credential_secret_id: abc}\n      template"

    async def story(control):
        with pytest.raises(MantleError, match="no secret 'abc'"):
            await made(control, source(OUTER.replace("template: {", f"{context}: {{")))

    told(story)


@pytest.mark.proves("type: OS::Heat::ResourceChain")
def test_a_chain_makes_one_of_each_type_in_order():
    """Members are named by their place; a longer list adds behind, a shorter one takes away."""

    async def story(control):
        types = "[OS::Heat::RandomString, OS::Heat::RandomString]"
        stack = await made(control, source(CHAIN.replace("TYPES", types)))
        assert stack.state == "CREATE_COMPLETE", stack.reason
        names = {view.record.name for view in await list_resources(control, stack, 1)}
        assert names == {"chain", "0", "1"}
        assert len(stack.outputs["refs"]) == 2
        shorter = CHAIN.replace("TYPES", "[OS::Heat::RandomString]")
        await update_stack(control, CALLER, stack, UpdateRequest(template=shorter))
        stack = await settled(control)
        assert (stack.state, len(stack.outputs["refs"])) == ("UPDATE_COMPLETE", 1)

    told(story)


CFN = """
HeatTemplateFormatVersion: '2012-12-12'
Parameters:
  Length: {Type: Number, Default: 5}
Resources:
  Text: {Type: 'OS::Heat::RandomString', Properties: {length: {Ref: Length}}}
  Copy: {Type: 'OS::Heat::Value', Properties: {value: {'Fn::GetAtt': [Text, value]}}}
Outputs:
  Text: {Value: {'Fn::Join': ['-', [{Ref: 'AWS::StackName'}, {'Fn::GetAtt': [Copy, value]}]]}}
"""


@pytest.mark.proves("format: CFN life cycle")
def test_a_cfn_template_lives_like_any_other():
    """Created, changed by a parameter, and nested as a type in a HOT template."""

    async def story(control):
        stack = await made(control, TemplateSource(template=CFN))
        assert (stack.state, len(stack.outputs["Text"])) == ("CREATE_COMPLETE", 7)
        await update_stack(
            control, CALLER, stack, UpdateRequest(existing=True, parameters={"Length": 8})
        )
        stack = await settled(control)
        assert (stack.state, len(stack.outputs["Text"])) == ("UPDATE_COMPLETE", 10)
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        outer = """
heat_template_version: 2018-08-31
resources:
  inner: {type: inner.template, properties: {Length: 3}}
outputs:
  text: {value: {get_attr: [inner, Text]}}
"""
        source = TemplateSource(template=outer, files={"inner.template": CFN})
        stack = await made(control, source)
        assert stack.outputs["text"].startswith("s-inner-")

    told(story)


@pytest.mark.proves("parameters: immutable")
def test_an_immutable_parameter_keeps_its_value():
    """The update is refused by name; the same value, and a new parameter, are not."""
    fixed = FIXED.replace("DEFAULT", "a")

    async def story(control):
        stack = await made(control, TemplateSource(template=fixed))
        with pytest.raises(MantleError, match="immutable and may not be updated: name"):
            await update_stack(
                control, CALLER, stack, UpdateRequest(template=fixed, parameters={"name": "b"})
            )
        same = UpdateRequest(template=fixed, parameters={"name": "a"})
        await update_stack(control, CALLER, stack, same)
        assert (await settled(control)).state == "UPDATE_COMPLETE"

    told(story)


FIXED = """
heat_template_version: 2018-08-31
parameters:
  name: {type: string, default: DEFAULT, immutable: true}
resources:
  value: {type: OS::Heat::Value, properties: {value: {get_param: name}}}
"""
