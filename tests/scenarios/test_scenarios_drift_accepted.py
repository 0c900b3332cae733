"""Accepted drift stands in the template, where it was written; or it is refused by name."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from power import CALLER, Plant, quiet
from test_scenarios_drift import drift, made, rows, settled, told

from mantle.clouds.ports import SecurityRule, Unavailable
from mantle.model.drift import DriftPolicy, Ending
from mantle.model.graph import TemplateSource
from mantle.stacks.accepting import accept_drift
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.drift import list_drift, look, set_drift_policy
from mantle.stacks.drift_views import stack_drift
from mantle.stacks.queries import stack_outputs, stack_parameters, stack_source
from mantle.stacks.update import UpdateRequest, preview_update
from mantle.template.load import parse
from mantle.template.rewrite.edit import with_value

pytestmark = pytest.mark.proves("beyond: drift is accepted into the template")

WRITTEN = """\
heat_template_version: 2018-08-31

# Whoever wrote this wants to keep it.
parameters:
  label: {type: string, default: outer}
resources:
  net:  # the inner one
    type: OS::Neutron::Net
    properties:
      name: inner  # as in the book
      admin_state_up: true
  other: {type: OS::Neutron::Net, properties: {name: {get_param: label}}}
  plain: {type: OS::Neutron::Net}
  joined:
    type: OS::Neutron::Net
    properties: {name: {list_join: ["-", [a, {get_param: label}]]}}
  group:
    type: OS::Neutron::SecurityGroup
    properties:
      rules:
        - protocol: tcp
          port_range_min: 80
          port_range_max: 80
        # and more to come
      description: |
        What may
        come in.
outputs:
  name: {value: {get_attr: [net, name]}}
"""


async def by_hand(control, stack, resource, collection="networks", **changes):
    objects = getattr(control.machine.session(stack), collection)
    physical = (await rows(control, stack))[resource].physical_id
    spec = (await objects.get(physical)).spec
    await objects.update(physical, dataclasses.replace(spec, **changes))
    await look(control, stack.project_id, stack.cloud)


async def next_plan(control):
    stack = await settled(control)
    return (await preview_update(control, CALLER, stack, UpdateRequest(existing=True))).plan


async def accepted(control, resource=""):
    """What was accepted and what was refused, and nothing of the stack is left to do."""
    stack = await settled(control)
    answers = await accept_drift(control, CALLER, stack, resource=resource)
    plan = await next_plan(control)
    assert plan.is_empty, plan
    return [answer.place or answer.refused for answer in answers]


def test_a_written_value_is_changed_where_it_stands():
    """Every other character stays; the next plan is empty, and nothing drifts any more."""

    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "net", name="by hand")
        assert await accepted(control) == ["resources.net.properties.name"]
        stack = await settled(control)
        source = await stack_source(control, stack)
        assert source.template == WRITTEN.replace("name: inner ", 'name: "by hand" ')
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []
        past, _ = await list_drift(control, stack, ended=True)
        assert [each.ending for each in past] == [Ending.ACCEPTED]
        assert [output.value for output in await stack_outputs(control, stack)] == ["by hand"]
        assert stack.state == "CREATE_COMPLETE"

    told(story)


def test_a_value_that_a_parameter_gives_changes_the_parameter():
    """Nothing of the template's text changes; who reads the parameter too is named and left."""

    async def story(control):
        template = WRITTEN.replace(
            'list_join: ["-", [a, {get_param: label}]]', "get_param: OS::stack_name"
        )
        stack = await made(control, template)
        await by_hand(control, stack, "other", name="by hand")
        assert await accepted(control) == ["parameter label"]
        stack = await settled(control)
        assert (await stack_parameters(control, stack))["label"] == "by hand"
        assert (await stack_source(control, stack)).template == template
        await by_hand(control, stack, "joined", name="mine")
        (why,) = await accepted(control)
        assert why.startswith("its property name is OS::stack_name, which nobody can set")

    told(story)


def test_what_is_computed_is_refused_with_the_function():
    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "joined", name="mine")
        assert await accepted(control) == [
            "its property name is computed by list_join, get_param: change that in the template"
        ]
        assert await drift(control, stack) == [("joined", "name")]
        ((view,), _) = await stack_drift(control, stack)
        assert view.finding.note.startswith("not accepted: its property name is computed by")

    told(story)


def test_a_parameter_that_others_read_is_refused_with_who_would_change():
    """`joined` is made from the same parameter: accepting would change its name."""

    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "other", name="mine")
        (why,) = await accepted(control)
        assert why.startswith("it would change more than other (joined: name changes")
        assert (await stack_parameters(control, stack))["label"] == "outer"

    told(story)


@pytest.mark.parametrize(
    ("how", "word"), [("hidden: true", "hidden"), ("immutable: true", "immutable")]
)
def test_a_parameter_that_may_not_be_set_or_shown_is_refused(how, word):
    template = f"""
heat_template_version: 2018-08-31
parameters: {{label: {{type: string, {how}}}}}
resources:
  net: {{type: OS::Neutron::Net, properties: {{name: {{get_param: label}}}}}}
"""

    async def story(control):
        source = TemplateSource(template=template, parameters={"label": "a"})
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        stack = await settled(control)
        await by_hand(control, stack, "net", name="b")
        (why,) = await accepted(control)
        assert why.startswith(f"its property name is the parameter label, which is {word}:")

    told(story)


def test_a_constraint_of_the_parameter_is_kept():
    template = """
heat_template_version: 2018-08-31
parameters: {label: {type: string, default: a, constraints: [{allowed_values: [a, b]}]}}
resources:
  net: {type: OS::Neutron::Net, properties: {name: {get_param: label}}}
"""

    async def story(control):
        stack = await made(control, template)
        await by_hand(control, stack, "net", name="c")
        (why,) = await accepted(control)
        assert "label" in why
        await by_hand(control, stack, "net", name="b")
        assert await accepted(control) == ["parameter label"]

    told(story)


def test_a_value_that_was_left_out_is_written():
    """A default that is no more; and one that a property of another form says."""

    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "plain", admin_state_up=False)
        assert await accepted(control) == ["resources.plain.properties.admin_state_up"]
        assert (
            'plain: {"properties": {"admin_state_up": false}, type:'
            in (await stack_source(control, await settled(control))).template
        )
        await by_hand(control, stack, "net", mtu=1400)
        assert await accepted(control) == ["resources.net.properties.value_specs"]

    told(story)


def test_a_block_is_replaced_whole():
    """Its comments go with it, those around it stay."""

    async def story(control):
        stack = await made(control, WRITTEN)
        rules = (SecurityRule(protocol="udp", port_min=53, port_max=53),)
        await by_hand(control, stack, "group", "security_groups", rules=rules, description="new")
        assert sorted(await accepted(control)) == [
            "resources.group.properties.description",
            "resources.group.properties.rules",
        ]
        text = (await stack_source(control, await settled(control))).template
        assert "# as in the book" in text
        assert 'port_range_min": 53' in text

    told(story)


def test_what_a_template_cannot_say_is_refused():
    """That an object is missing, a state, and what is inside another stack."""
    template = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: a}}
  members:
    type: OS::Heat::ResourceGroup
    properties: {count: 1, resource_def: {type: OS::Neutron::Net, properties: {name: member}}}
"""

    async def story(control):
        stack = await made(control, template)
        found = await rows(control, stack)
        await control.machine.session(stack).networks.delete(found["net"].physical_id)
        await asyncio.sleep(5)
        await by_hand(control, stack, "0", name="b")
        stack = await settled(control)
        answers = [each.refused for each in await accept_drift(control, CALLER, stack)]
        assert [why.split(":")[0] for why in sorted(answers)] == [
            "0 is in a stack inside",
            "net is missing",
        ]

    told(story)


def test_the_policy_accepts_by_itself_and_asks_again_only_for_another_value():
    async def story(control):
        stack = await made(control, WRITTEN)
        await set_drift_policy(control, stack, DriftPolicy.ACCEPT)
        await by_hand(control, stack, "net", name="x")
        assert await drift(control, stack) == []
        assert (await next_plan(control)).is_empty
        await by_hand(control, stack, "joined", name="x")
        assert await drift(control, stack) == [("joined", "name")]
        before = control.clouds["simulated"].world.calls
        await look(control, stack.project_id, stack.cloud)
        types = {row.resolved_type for row in (await rows(control, stack)).values()}
        assert control.clouds["simulated"].world.calls - before == len(types)

    told(story)


def test_what_was_refused_for_a_moment_is_tried_again():
    """A cloud that does not answer says nothing of the value."""

    async def story(control):
        stack = await made(control, WRITTEN)
        faults = control.clouds["simulated"].faults

        def down(moment, call):
            if call == "networks.get":
                raise Unavailable("503")

        await by_hand(control, stack, "net", name="x")
        await set_drift_policy(control, stack, DriftPolicy.ACCEPT)
        faults.hook = down
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == [("net", "name")]
        faults.hook = None
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []

    told(story)


def test_what_can_be_accepted_is_though_something_else_cannot():
    """Together they would change a third; one by one, the harmless ones go through."""

    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "net", name="x")
        await by_hand(control, stack, "plain", name="y")
        await by_hand(control, stack, "other", name="z")
        places = sorted(await accepted(control))
        assert places[1:] == ["resources.net.properties.name", "resources.plain.properties.name"]
        assert places[0].startswith("it would change more than other (joined")
        assert await drift(control, await settled(control)) == [("other", "name")]

    told(story)


def test_two_resources_that_need_one_parameter_to_be_different_are_refused():
    template = """
heat_template_version: 2018-08-31
parameters: {label: {type: string, default: a}}
resources:
  one: {type: OS::Neutron::Net, properties: {name: {get_param: label}}}
  two: {type: OS::Neutron::Net, properties: {name: {get_param: label}}}
"""

    async def story(control):
        stack = await made(control, template)
        await by_hand(control, stack, "one", name="b")
        await by_hand(control, stack, "two", name="c")
        assert all(why.startswith("it would change more") for why in await accepted(control))
        await by_hand(control, stack, "two", name="b")
        assert await accepted(control) == ["parameter label", "parameter label"]

    told(story)


def test_what_else_drifts_of_a_resource_goes_on_being_told():
    """One value is accepted, the other is computed."""

    async def story(control):
        stack = await made(control, WRITTEN)
        await by_hand(control, stack, "joined", name="x", admin_state_up=False)
        places = await accepted(control)
        assert "resources.joined.properties.admin_state_up" in places
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == [("joined", "name")]

    told(story)


def test_a_kill_while_accepting_leaves_both_or_neither():
    """After every cut: the template and the row say the same, and the finding agrees."""
    cut = 0
    while True:
        plant = Plant()

        async def prepare(control):
            stack = await made(control, WRITTEN)
            await by_hand(control, stack, "net", name="x")

        assert plant.life(prepare)
        plant.armed, plant.cut_at, plant.moments = True, cut, []

        async def accept(control):
            await accept_drift(control, CALLER, await settled(control))
            await quiet(control)

        whole = plant.life(accept)
        plant.armed = False

        async def after(control, cut=cut):
            stack = await settled(control)
            await look(control, stack.project_id, stack.cloud)
            assert (await next_plan(control)).is_empty, cut
            done = 'name: "x"' in (await stack_source(control, stack)).template
            assert (await drift(control, stack) == []) is done, cut

        assert plant.life(after)
        if whole:
            break
        cut += 1


# --- the text --------------------------------------------------------------------------------

names = st.text("abcdefgh", min_size=1, max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)


@given(
    document=st.dictionaries(names, values, min_size=1, max_size=4), value=values, data=st.data()
)
def test_whatever_is_written_the_text_says_exactly_that(document, value, data):
    """For any document in any layout: the value is there, and everything else is as it was."""
    style = data.draw(st.sampled_from([True, False, None]))
    text = yaml.safe_dump(document, default_flow_style=style, sort_keys=False)
    path = data.draw(st.lists(names, min_size=1, max_size=3))
    here, there = parse(text).data, parse(with_value(text, path, value)).data
    for part in path[:-1]:
        here, there = others(here, part), others(there, part)
        assert here[1] == there[1]
        here, there = here[0], there[0]
    assert there[path[-1]] == value


def others(data, part):
    """What is at this key, and everything beside it; nothing of both where there is no map."""
    rest = dict(data) if isinstance(data, dict) else {}
    return rest.pop(part, None), rest


def test_anchors_are_written_out_where_they_would_carry_the_value_elsewhere():
    """An edit at the anchor would change its alias too, so the text is made anew."""
    text = "a: &x {name: one}\nb: *x\n"
    assert parse(with_value(text, ["a", "name"], "two")).data == {
        "a": {"name": "two"},
        "b": {"name": "one"},
    }
