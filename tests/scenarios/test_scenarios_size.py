"""How large a tree of stacks may be, and what is known of a group before it is made."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Invalid, LimitExceeded
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack

HEAD = "heat_template_version: 2018-08-31\n"
GROUP = (
    HEAD
    + """parameters:
  size: {type: number, default: 3}
resources:
  first: {type: OS::Heat::RandomString}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: {get_param: size}
      resource_def:
        type: TYPE
        properties: {salt: {get_attr: [first, value]}}
"""
)
PAIR = HEAD + (
    "parameters: {salt: {type: string}}\n"
    "resources: {a: {type: OS::Heat::RandomString}, b: {type: OS::Heat::RandomString}}\n"
)
CHAIN = (
    HEAD
    + """resources:
  chain:
    type: OS::Heat::ResourceChain
    properties:
      resources: [OS::Heat::RandomString, TYPE]
      resource_properties: {length: LENGTH}
"""
)


def told(story, limit=50_000):
    async def with_limit(control):
        object.__setattr__(control.settings, "resources_per_stack", limit)
        await story(control)

    assert Plant().life(with_limit)


async def made(control, template, **given):
    source = TemplateSource(template=template, **given)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


@pytest.mark.proves("life cycle: limit of resources in a tree")
@pytest.mark.parametrize(("limit", "fits"), [(11, True), (10, False)])
def test_a_group_counts_with_all_its_members_and_what_is_in_them(limit, fits):
    """2 of its own, 3 members, 2 in each of them: 11. Refused before anything is made."""

    async def story(control):
        files = {"pair.yaml": PAIR}
        if fits:
            stack = await made(control, GROUP.replace("TYPE", "pair.yaml"), files=files)
            assert stack.state == "CREATE_COMPLETE", stack.reason
            return
        with pytest.raises(LimitExceeded, match=r"exceeded: with everything .* has 11; 10 are"):
            await made(control, GROUP.replace("TYPE", "pair.yaml"), files=files)

    told(story, limit)


@pytest.mark.proves("life cycle: limit of resources in a tree")
def test_what_is_known_only_later_is_counted_when_it_is_made():
    """As in Heat: a group whose size another resource gives fails, and the tree stays in bounds."""
    template = (
        HEAD
        + """resources:
  size: {type: OS::Heat::Value, properties: {type: number, value: 30}}
  other: {type: OS::Heat::RandomString}
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: {get_attr: [size, value]}
      resource_def: {type: OS::Heat::RandomString}
"""
    )

    async def story(control):
        stack = await made(control, template)
        assert stack.state == "CREATE_FAILED"
        assert "3 are in the tree of stacks, this one adds 30; 20 are allowed" in stack.reason

    told(story, 20)


@pytest.mark.parametrize(
    ("template", "where", "line", "message"),
    [
        (
            GROUP.replace("TYPE", "OS::Heat::RandomStrin"),
            "resources.group.properties.resource_def.type",
            11,
            "(OS::Heat::RandomStrin) could not be found",
        ),
        (
            GROUP.replace("TYPE", "OS::Heat::RandomString").replace("salt: {", "lenth: {"),
            "resources.group.properties.resource_def.properties.lenth",
            12,
            "Unknown Property lenth",
        ),
        (
            GROUP.replace("TYPE", "OS::Nova::Server").replace(
                "{salt: {get_attr: [first, value]}}", "{flavor: huge, image: cirros}"
            ),
            "resources.group.properties.resource_def.properties.flavor",
            12,
            "resources.group.properties.resource_def.properties.flavor: : Error validating",
        ),
        (
            CHAIN.replace("TYPE", "OS::Heat::RandomStrin").replace("LENGTH", "8"),
            "resources.chain.properties.resources[1]",
            6,
            "(OS::Heat::RandomStrin) could not be found",
        ),
        (
            CHAIN.replace("TYPE", "OS::Heat::RandomString").replace("LENGTH", "many"),
            "resources.chain.properties.resource_properties.length",
            7,
            "'many' is not an integer",
        ),
    ],
)
def test_a_groups_members_are_checked_before_anything_is_made(template, where, line, message):
    """Told at the group, with the line of the definition."""

    async def story(control):
        with pytest.raises(Invalid) as caught:
            await made(control, template)
        problem = caught.value.problems[0]
        assert (problem.where, problem.mark.line) == (where, line)
        assert (message in problem.message, bool(problem.remedy or "integer" in message)) == (
            True,
            True,
        )

    told(story)
