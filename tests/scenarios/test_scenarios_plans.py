"""Saved plans on the simulated cloud, in virtual time: applied precisely, or refused."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.simulated import Faults
from mantle.model.errors import Conflict, Denied, MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.saved import Gate, PlanStatus, WaveSpec
from mantle.model.status import Action
from mantle.stacks.actions import check_stack
from mantle.stacks.applying import ApplyRequest, apply_plan, what_moved
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.guards import protect_stack
from mantle.stacks.policies import RuleRequest, set_rule
from mantle.stacks.queries import (
    EventQuery,
    find_stack,
    list_events,
    list_operations,
    list_resources,
    stack_source,
)
from mantle.stacks.saving import SaveRequest, delete_saved, find_saved, list_saved, save_plan
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.stacks.waves import continue_plan
from mantle.store import operations as operation_rows

HEAD = "heat_template_version: 2018-08-31\nresources:\n"


def things(**values):
    """Resources that are what their value says; `a=b.` reads the output of b."""
    text = HEAD
    for name, value in values.items():
        reads = str(value).endswith(".")
        given = f"{{get_attr: [{value[:-1]}, output]}}" if reads else value
        text += f"  {name}: {{type: OS::Heat::TestResource, properties: {{value: {given}}}}}\n"
    return text


def strings(**lengths):
    return HEAD + "".join(
        f"  {name}: {{type: OS::Heat::RandomString, properties: {{length: {length}}}}}\n"
        for name, length in lengths.items()
    )


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def made(control, template, name="s", **options):
    source = TemplateSource(template=template)
    await create_stack(control, CALLER, CreateRequest(name=name, source=source, **options))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, name)


async def saved(control, template=None, action=Action.UPDATE, caller=CALLER, **rest):
    if action is Action.CREATE:
        create = CreateRequest(name="s", source=TemplateSource(template=template))
        return await save_plan(control, caller, SaveRequest(action=action, create=create, **rest))
    stack = await find_stack(control, CALLER.project_id, "s")
    update = UpdateRequest(template=template) if template is not None else None
    request = SaveRequest(action=action, stack=stack, update=update, **rest)
    return await save_plan(control, caller, request)


async def applied(control, plan, **request):
    done = await apply_plan(control, CALLER, plan.id, ApplyRequest(**request))
    await ended(control)
    return done


async def ended(control):
    """Operations are over, and upkeep has looked at their ends."""
    await quiet(control)
    await asyncio.sleep(2)
    await quiet(control)
    await asyncio.sleep(2)


async def status(control, plan):
    found = await find_saved(control, CALLER.project_id, plan.id)
    return found.status


async def state(control):
    return (await find_stack(control, CALLER.project_id, "s")).state


async def values(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    views = await list_resources(control, stack)
    return {
        view.record.name: view.record.properties.get("value", view.record.properties.get("length"))
        for view in views
    }


async def untouched(control, plan, match, **request):
    """Applying is refused, and nothing was begun."""
    before = len(await list_operations(control, project_id=CALLER.project_id))
    with pytest.raises(MantleError, match=match) as caught:
        await apply_plan(control, CALLER, plan.id, ApplyRequest(**request))
    assert len(await list_operations(control, project_id=CALLER.project_id)) == before
    return caught.value


@pytest.mark.proves("beyond: binding plan")
def test_a_saved_plan_is_applied_as_it_is():
    """For a new stack, an update and a deletion; what it was made from is kept with it."""

    async def story(control):
        plan = await saved(control, things(a=1, b="a."), Action.CREATE)
        assert [str(step.key) for step in plan.plan.steps] == ["create a", "create b"]
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        await applied(control, plan)
        assert (await state(control), await status(control, plan)) == (
            "CREATE_COMPLETE",
            PlanStatus.APPLIED,
        )
        plan = await saved(control, things(a=1, b=2))
        await applied(control, plan)
        assert await values(control) == {"a": "1", "b": "2"}
        plan = await saved(control, action=Action.DELETE)
        await applied(control, plan)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "s")
        assert await status(control, plan) is PlanStatus.APPLIED

    plant = told(story)
    assert plant.problems(None) == []


@pytest.mark.proves("beyond: binding plan")
def test_changes_elsewhere_in_the_stack_do_not_spoil_a_plan():
    """Two plans made from one state, for two resources, are applied one after the other."""

    async def story(control):
        await made(control, things(a=1, b=1, c=1))
        one = await saved(control, things(a=2, b=1, c=1))
        two = await saved(control, things(a=1, b=2, c=1))
        three = await saved(control, things(a=1, b=1))
        await applied(control, one)
        await applied(control, two)
        await applied(control, three)
        assert await values(control) == {"a": "2", "b": "2"}
        stack = await find_stack(control, CALLER.project_id, "s")
        template = (await stack_source(control, stack)).template
        assert {
            name: one["properties"]["value"] for name, one in template["resources"].items()
        } == {"a": 2, "b": 2}

    told(story)


def test_a_check_in_between_moves_nothing():
    """The rows were written, but what matters of them is the same."""

    async def story(control):
        stack = await made(control, things(a=1, b="a."))
        plan = await saved(control, things(a=2, b="a."))
        await check_stack(control, CALLER, stack)
        await quiet(control)
        await applied(control, plan)
        assert await values(control) == {"a": "2", "b": "1"}

    told(story)


@pytest.mark.proves("beyond: binding plan")
@pytest.mark.parametrize(
    ("between", "match"),
    [
        (things(a=3, b="a."), r"both changed resources.a"),
        (things(b=1), r"both changed|gone"),
    ],
)
def test_what_changes_a_resource_of_the_plan_spoils_it(between, match):
    """It is refused with the name of the resource; nothing is touched."""

    async def story(control):
        stack = await made(control, things(a=1, b="a."))
        plan = await saved(control, things(a=2, b="a."))
        await update_stack(control, CALLER, stack, UpdateRequest(template=between))
        await quiet(control)
        error = await untouched(control, plan, match)
        assert error.fault == "PlanStale"
        assert await what_moved(control, CALLER, plan.id)

    told(story)


def test_a_value_that_is_read_and_has_moved_spoils_the_plan():
    """The reader is named, and what it reads; what others do elsewhere is not."""

    async def story(control):
        stack = await made(control, things(a=1, b=9, c=1))
        plan = await saved(control, things(a=1, b="a.", c=1))
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=things(a=1, b=9, c=7)))
        await quiet(control)
        assert await what_moved(control, CALLER, plan.id) == []
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=things(a=5, b=9, c=7)))
        await quiet(control)
        await untouched(
            control,
            plan,
            r"b: value would change from '9' to '5', and the plan says from '9' to '1' "
            r"\(it reads a, which changed since\)",
        )

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_a_plan_is_applied_once_and_in_its_time_and_project():
    """Twice, after its end, by a stranger: refused. The same request id: the same answer."""

    async def story(control):
        await made(control, things(a=1))
        plan = await saved(control, things(a=2))
        stranger = replace(CALLER, project_id="other")
        with pytest.raises(NotFound):
            await apply_plan(control, stranger, plan.id, ApplyRequest())
        with pytest.raises(NotFound):
            await apply_plan(control, CALLER, "nonsense", ApplyRequest())
        first = await applied(control, plan, request_id="r1")
        again = await apply_plan(control, CALLER, plan.id, ApplyRequest(request_id="r1"))
        assert again.operation.id == first.operation.id
        error = await untouched(control, plan, "was applied already", request_id="r2")
        assert error.fault == "PlanNotApplicable"
        late = await saved(control, things(a=3), lifetime_seconds=60.0)
        await asyncio.sleep(61)
        assert (await untouched(control, late, "has expired")).fault == "PlanExpired"
        assert await status(control, late) is PlanStatus.EXPIRED

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_of_two_appliers_one_comes_first():
    """The other is refused, and one operation was made."""

    async def story(control):
        await made(control, things(a=1))
        plan = await saved(control, things(a=2))
        both = await asyncio.gather(
            *(apply_plan(control, CALLER, plan.id, ApplyRequest()) for _ in range(5)),
            return_exceptions=True,
        )
        assert sum(isinstance(one, Conflict) for one in both) == 4
        await ended(control)
        assert len(await list_operations(control, project_id=CALLER.project_id)) == 2

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_a_plan_is_refused_while_an_operation_works_on_its_resources():
    """Named. A plan for other resources waits its turn behind one that binds."""
    slow = HEAD + (
        "  a: {type: OS::Heat::TestResource, properties: {value: %s, update_replace: false,"
        " wait_secs: 30, action_wait_secs: {create: 0, update: 30}}}\n"
        "  b: {type: OS::Heat::TestResource, properties: {value: %s}}\n"
    )

    async def story(control):
        await made(control, slow % (1, 1))
        one = await saved(control, slow % (2, 1))
        same = await saved(control, slow % (3, 1))
        other = await saved(control, slow % (1, 2))
        await apply_plan(control, CALLER, one.id, ApplyRequest())
        await asyncio.sleep(1)
        assert await control.database.read(operation_rows.live)
        await untouched(control, same, "at work on a; nothing was touched|both changed")
        await apply_plan(control, CALLER, other.id, ApplyRequest())
        await ended(control)
        assert await values(control) == {"a": "2", "b": "2"}

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_a_part_is_applied_and_the_rest_stays_pending():
    """What is included brings what it needs; what is excluded takes along what needs it."""

    async def story(control):
        plan = await saved(control, things(a=1, b="a.", c=1, d="c."), Action.CREATE)
        done = await applied(control, plan, include=("b",))
        assert done.part.added == {"a": "b"}
        assert await values(control) == {"a": "1", "b": "1"}
        assert await status(control, plan) is PlanStatus.PARTIAL
        with pytest.raises(MantleError, match="has no step for"):
            await apply_plan(control, CALLER, plan.id, ApplyRequest(include=("bb",)))
        with pytest.raises(MantleError, match="everything in the plan is done"):
            await apply_plan(control, CALLER, plan.id, ApplyRequest(include=("a",)))
        with pytest.raises(MantleError, match="Nothing of the plan is chosen"):
            await apply_plan(control, CALLER, plan.id, ApplyRequest(exclude=("c",)))
        done = await applied(control, plan, exclude=("d",))
        assert await status(control, plan) is PlanStatus.PARTIAL
        await applied(control, plan)
        assert await values(control) == {"a": "1", "b": "1", "c": "1", "d": "1"}
        assert (await state(control), await status(control, plan)) == (
            "UPDATE_COMPLETE",
            PlanStatus.APPLIED,
        )

    told(story)


def test_a_replaced_object_goes_when_nobody_uses_it_any_more():
    """Its replacement is in the first part; the old one stays until its reader has moved."""

    async def story(control):
        await made(control, strings(a=8) + "  b: {type: OS::Heat::Value, properties: {value: "
                   "{get_attr: [a, value]}}}\n")  # fmt: skip
        wanted = strings(a=9) + (
            "  b: {type: OS::Heat::Value, properties: {value: {get_attr: [a, value]}}}\n"
        )
        plan = await saved(control, wanted)
        assert [str(step.key) for step in plan.plan.steps] == ["create a", "update b", "delete a"]
        await applied(control, plan, include=("a",))
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert [str(key) for key in found.pending] == ["update b", "delete a"]
        await applied(control, plan)
        assert await status(control, plan) is PlanStatus.APPLIED
        stack = await find_stack(control, CALLER.project_id, "s")
        assert len(await list_resources(control, stack)) == 2

    told(story)


@pytest.mark.proves("beyond: gated waves")
def test_waves_wait_at_their_gates():
    """By share, by list and by layer; a manual gate waits for a person however long."""

    async def story(control):
        template = things(a=1, b=1, c=1, d=1)
        waves = (WaveSpec(percent=50, gate=Gate.MANUAL),)
        plan = await saved(control, template, Action.CREATE, waves=waves)
        assert [[str(key) for key in wave.steps] for wave in plan.waves] == [
            ["create a", "create b"],
            ["create c", "create d"],
        ]
        await applied(control, plan)
        await asyncio.sleep(3600)
        assert set(await values(control)) == {"a", "b"}
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert (found.status, found.reason) == (
            PlanStatus.WAITING,
            "wave 1 of 2 is done; someone has to say go on",
        )
        await untouched(control, plan, "at a gate")
        await continue_plan(control, CALLER, plan.id)
        await asyncio.sleep(5)
        await ended(control)
        assert await status(control, plan) is PlanStatus.APPLIED
        assert set(await values(control)) == {"a", "b", "c", "d"}
        with pytest.raises(Conflict, match="waits at no gate"):
            await continue_plan(control, CALLER, plan.id)

    told(story)


@pytest.mark.proves("beyond: gated waves")
def test_a_health_gate_opens_when_the_last_wave_is_well():
    """Checked again and again until then; the plan says what is not well."""
    template = HEAD + "".join(
        f"  n{i}: {{type: OS::Neutron::Net, properties: {{name: n{i}}}}}\n" for i in range(2)
    )

    async def story(control):
        waves = (WaveSpec(resources=("n0",), gate=Gate.HEALTH),)
        plan = await saved(control, template, Action.CREATE, waves=waves)
        await apply_plan(control, CALLER, plan.id, ApplyRequest())
        await asyncio.sleep(120)
        await ended(control)
        assert (await status(control, plan), await state(control)) == (
            PlanStatus.APPLIED,
            "UPDATE_COMPLETE",
        )
        kinds = [str(one.action) for one in await list_operations(control, project_id="p1")]
        assert kinds == ["UPDATE", "CHECK", "CREATE"]

    told(story)


def test_a_plan_at_a_gate_expires():
    """With what is left still pending; nothing more is done."""

    async def story(control):
        waves = (WaveSpec(percent=50, gate=Gate.MANUAL),)
        plan = await saved(
            control, things(a=1, b=1), Action.CREATE, waves=waves, lifetime_seconds=100.0
        )
        await applied(control, plan)
        await asyncio.sleep(200)
        assert await status(control, plan) is PlanStatus.EXPIRED
        with pytest.raises(Conflict):
            await continue_plan(control, CALLER, plan.id)
        assert set(await values(control)) == {"a"}

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_an_applied_plan_never_does_more_than_it_says():
    """A value that changes on the way needs a step that is not there: it stops, and says so."""

    async def story(control):
        await made(control, things(a=1, b="a.", c="b."))
        plan = await saved(control, things(a=2, b="a.", c="b."))
        # An update in place changes a's output; that b and c follow is for another plan to say.
        assert [str(step.key) for step in plan.plan.steps] == ["update a"]
        await applied(control, plan)
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert found.status is PlanStatus.APPLIED
        assert found.reason == "not in the plan, and therefore not done: update b"
        assert await values(control) == {"a": "2", "b": "1", "c": "1"}

    told(story)


def test_a_step_whose_value_strays_stops_before_it_is_begun():
    """B's value is planned from what a is; a's own update changes it: b is left as it was."""

    async def story(control):
        await made(control, things(a=1, b=7))
        plan = await saved(control, things(a=2, b="a."))
        assert [str(step.key) for step in plan.plan.steps] == ["update a", "update b"]
        await applied(control, plan)
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert found.status is PlanStatus.STOPPED
        assert "value is no longer '1', as the plan says" in found.reason
        assert await values(control) == {"a": "2", "b": "7"}
        assert [str(key) for key in found.done] == ["update a"]

    told(story)


def test_a_failed_step_stops_the_plan_and_the_rest_can_still_be_applied():
    """What it did is done; a part without the failure goes on."""

    async def story(control):
        template = things(a=1, c=1) + (
            "  bad: {type: OS::Heat::TestResource, properties: {fail: true, wait_secs: 1}}\n"
        )
        plan = await saved(control, template, Action.CREATE)
        await applied(control, plan, include=("a", "bad"))
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert found.status is PlanStatus.STOPPED
        assert "resources.bad" in found.reason
        assert [str(key) for key in found.done] == ["create a"]
        await untouched(control, plan, "bad: ")
        await applied(control, plan, include=("c",))
        assert set(await values(control)) == {"a", "bad", "c"}

    told(story)


def test_rules_and_protection_are_asked_again_when_a_plan_is_applied():
    """A rule set after the plan was made denies it; and so does a protection."""

    async def story(control):
        stack = await made(control, things(a=1))
        change, end = await saved(control, things(a=2)), await saved(control, action=Action.DELETE)
        await protect_stack(control, CALLER, stack, protected=True)
        await untouched(control, end, "protected from deletion")
        rule = RuleRequest(name="no", effect="deny", expression="after.value == '2'")
        await set_rule(control, CALLER, rule)
        assert isinstance(await untouched(control, change, "denied by"), Denied)

    told(story)


def test_a_quota_is_told_before_anything_is_made():
    """Needs against left, where the cloud can say; else that it is not known."""
    nets = HEAD + "".join(f"  n{i}: {{type: OS::Neutron::Net}}\n" for i in range(4))

    async def story(control):
        plan = await saved(control, nets, Action.CREATE)
        assert [(one["what"], one["needs"], one["verdict"]) for one in plan.notes["quota"]] == [
            ("networks", 4, "short")
        ]

    told(story, Plant(faults=Faults(quota=3)))

    async def unknown(control):
        plan = await saved(control, nets, Action.CREATE)
        assert [one["verdict"] for one in plan.notes["quota"]] == ["not known"]

    told(unknown)


def test_a_secret_is_in_no_saved_plan():
    """Masked in what is shown; compared by a keyed hash."""
    template = (
        "heat_template_version: 2018-08-31\n"
        "parameters: {pin: {type: string, hidden: true, default: %s}}\n"
        "resources:\n"
        "  a: {type: OS::Heat::TestResource, properties: {value: {get_param: pin}}}\n"
    )

    async def story(control):
        await made(control, template % "swordfish")
        plan = await saved(control, template % "sturgeon")
        assert "sturgeon" not in repr(plan)
        assert "swordfish" not in repr(plan)
        await applied(control, plan)
        assert await values(control) == {"a": "sturgeon"}

    told(story)


def test_a_plan_of_a_nested_stack_binds_what_is_inside():
    """The group's members are in the plan; changed inside, it does not fit any more."""
    group = HEAD + (
        "  g:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: %s\n"
        "      resource_def: {type: OS::Heat::RandomString, properties: {length: 8}}\n"
    )

    async def story(control):
        await made(control, group % 1)
        plan = await saved(control, group % 3)
        assert "create 1" in plan.notes["nested"]["g"] or "+" in plan.notes["nested"]["g"]
        await applied(control, plan)
        assert await status(control, plan) is PlanStatus.APPLIED, await find_saved(
            control, CALLER.project_id, plan.id
        )
        stack = await find_stack(control, CALLER.project_id, "s")
        assert len(await list_resources(control, stack, 1)) == 4

    told(story)


def test_saved_plans_are_thrown_away():
    """By hand; not while one is being applied."""

    async def story(control):
        await made(control, things(a=1))
        plan = await saved(control, things(a=2))
        await delete_saved(control, CALLER, plan.id)
        with pytest.raises(NotFound):
            await find_saved(control, CALLER.project_id, plan.id)

    told(story)


@pytest.mark.proves("beyond: binding plan")
def test_a_rollback_is_planned_and_applied_too():
    """The way back from an update that failed; also when the power is cut on it."""

    async def broken(control):
        stack = await made(control, things(a=1))
        bad = things(a=2) + "  bad: {type: OS::Heat::TestResource, properties: {fail: true}}\n"
        await update_stack(control, CALLER, stack, UpdateRequest(template=bad))
        await quiet(control)
        assert await state(control) == "UPDATE_FAILED"
        await saved(control, action=Action.ROLLBACK)

    async def back(control):
        (plan,) = await list_saved(control, CALLER.project_id)
        if plan.status is PlanStatus.OPEN:
            await apply_plan(control, CALLER, plan.id, ApplyRequest())
        await ended(control)
        assert (await state(control), await values(control)) == ("ROLLBACK_COMPLETE", {"a": "1"})
        assert await status(control, plan) is PlanStatus.APPLIED

    plant = told(broken)
    plant.armed = True
    assert plant.life(back)
    for point in range(0, len(plant.moments), 3):
        plant = told(broken)
        plant.armed, plant.cut_at = True, point
        plant.life(back)
        plant.armed = False
        assert plant.life(back), f"cut at {point}"


def test_a_failing_plan_returns_where_the_stack_says_so():
    """Applied whole; a part of a plan stops where it is."""
    bad = "  bad: {type: OS::Heat::TestResource, properties: {fail: true}}\n"

    async def story(control):
        await made(control, things(a=1), disable_rollback=False)
        plan = await saved(control, things(a=2) + bad)
        await applied(control, plan)
        assert (await state(control), await values(control)) == ("ROLLBACK_COMPLETE", {"a": "1"})
        plan = await saved(control, things(a=2, c=3) + bad)
        await applied(control, plan, exclude=("c",))
        assert await state(control) == "UPDATE_FAILED"
        assert (await values(control))["a"] == "2"

    told(story)


def cut_story(points):
    """A waved creation, cut at a moment, carried on by the next life."""
    template = things(a=1, b="a.", c=1)
    waves = (WaveSpec(resources=("a",), gate=Gate.HEALTH), WaveSpec(resources=("b",)))

    def staged():
        async def begin(control):
            await saved(control, template, Action.CREATE, waves=waves)

        return told(begin)

    async def go(control):
        (plan,) = await list_saved(control, CALLER.project_id)
        if plan.status is PlanStatus.OPEN:
            await apply_plan(control, CALLER, plan.id, ApplyRequest())
        await asyncio.sleep(200)
        (plan,) = await list_saved(control, CALLER.project_id)
        assert plan.status is PlanStatus.APPLIED, (plan.status, plan.reason)
        assert await values(control) == {"a": "1", "b": "1", "c": "1"}

    if points is None:
        plant = staged()
        plant.armed = True
        assert plant.life(go)
        return len(plant.moments)
    plant = staged()
    plant.armed, plant.cut_at = True, points
    plant.life(go)
    plant.armed = False
    assert plant.life(go), f"cut at {points}"
    return plant.problems(plant.stack("s"))


@pytest.mark.proves("beyond: gated waves")
def test_waves_survive_a_power_cut():
    """At a sample of moments, the first and last ones among them."""
    total = cut_story(None)
    sample = sorted({0, total // 3, total * 2 // 3, total - 1})
    assert [problem for point in sample for problem in cut_story(point)] == []


@pytest.mark.slow
def test_waves_survive_a_power_cut_at_every_moment():
    """Whatever write is cut off, the plan ends as if nothing had happened."""
    total = cut_story(None)
    assert total > 20
    assert [cut_story(point) for point in range(total)] == [[]] * total


@st.composite
def changes(draw):
    """Two templates over a few names, the second reading and dropping what it likes."""
    names = ["a", "b", "c", "d"]
    before = {name: draw(st.integers(1, 2)) for name in names if draw(st.booleans())}
    after = {}
    for name in names:
        if draw(st.booleans()):
            earlier = [f"{other}." for other in after]
            after[name] = draw(st.sampled_from([1, 2, 3, *earlier]))
    return before or {"a": 1}, after or {"a": 2}


@pytest.mark.proves("beyond: binding plan")
@settings(max_examples=15, deadline=None)
@given(change=changes(), data=st.data())
def test_applying_a_plan_does_its_steps_and_nothing_else(change, data):
    """Whatever part is chosen: only its resources have events, and each step exactly one end."""
    before, after = change

    async def story(control):
        await made(control, things(**before))
        plan = await saved(control, things(**after))
        names = sorted({step.resource for step in plan.plan.steps})
        if not names:
            return
        include = data.draw(st.lists(st.sampled_from(names), unique=True))
        done = await apply_plan(control, CALLER, plan.id, ApplyRequest(include=tuple(include)))
        await ended(control)
        steps = [step for step in plan.plan.steps if step.key in done.part.steps]
        stack = await find_stack(control, CALLER.project_id, "s")
        events = [
            view.event
            for view in await list_events(control, stack, EventQuery())
            if view.event.operation_id == done.operation.id and view.event.resource != "s"
        ]
        ends = [f"{event.action.lower()} {event.resource}" for event in events
                if event.status == "COMPLETE"]  # fmt: skip
        # What strays on the way is not begun at all.
        assert sorted(ends) == sorted(set(ends))
        assert set(ends) <= {str(step.key) for step in steps}
        found = await find_saved(control, CALLER.project_id, plan.id)
        assert set(map(str, found.done)) == set(ends)
        assert found.status in {PlanStatus.APPLIED, PlanStatus.PARTIAL, PlanStatus.STOPPED}

    told(story)
