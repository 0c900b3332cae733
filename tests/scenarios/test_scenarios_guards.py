"""Protection, time to live and policy rules, on the simulated cloud in virtual time."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Conflict, Denied, Invalid, MantleError, NotFound, NotSupported
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.guards import protect_stack, set_ttl, show_guard
from mantle.stacks.plans import plan_create
from mantle.stacks.policies import RuleRequest, delete_rule, set_rule
from mantle.stacks.queries import EventQuery, find_stack, list_events
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import stacks as stack_rows

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
ONE = HEAD + "  r: {type: OS::Heat::RandomString, properties: {length: 8}}\n"
NESTED = HEAD + (
    "  g:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: 2\n"
    "      resource_def:\n        type: OS::Heat::RandomString\n"
    "        metadata: {'mantle:prevent_destroy': true}\n"
)
KEPT = HEAD + (
    "  r:\n    type: OS::Heat::RandomString\n    metadata: {'mantle:prevent_destroy': true}\n"
    "    properties: {length: 8}\n"
)


def told(story, plant=None):
    plant = plant or Plant()
    assert plant.life(story)
    return plant


async def made(control, template=ONE, name="s", **options):
    source = TemplateSource(template=template, template_name="web.yaml")
    await create_stack(control, CALLER, CreateRequest(name=name, source=source, **options))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, name)


async def reasons(control, stack):
    views = await list_events(control, stack, EventQuery(sort_dir="asc"))
    return [view.event.reason for view in views if view.event.resource == stack.name]


async def gone(control, name="s"):
    await quiet(control)
    try:
        await find_stack(control, CALLER.project_id, name)
    except NotFound:
        return True
    return False


@pytest.mark.proves("beyond: termination protection")
def test_a_protected_stack_is_not_deleted_and_neither_are_the_stacks_inside():
    """409 with who and why; the child is covered; taken back, deleting works."""

    async def story(control):
        stack = await made(control, NESTED.replace("true", "false"))
        await protect_stack(control, CALLER, stack, protected=True, why="it earns money")
        with pytest.raises(Conflict, match=r"protected from deletion by tester: it earns money"):
            await delete_stack(control, CALLER, stack)
        (child,) = await control.database.read(stack_rows.children, stack.id)
        with pytest.raises(Conflict, match="it is part of is protected"):
            await delete_stack(control, CALLER, child)
        with pytest.raises(NotSupported, match="guarded with that one"):
            await protect_stack(control, CALLER, child, protected=False)
        assert (await show_guard(control, child)).protected
        await protect_stack(control, CALLER, stack, protected=False)
        await delete_stack(control, CALLER, stack)
        assert await gone(control)

    told(story)


@pytest.mark.proves("beyond: stack TTL")
def test_a_stack_warns_of_its_end_and_is_then_deleted():
    """An hour and ten minutes before; extended, the warnings begin anew."""

    async def story(control):
        stack = await made(control, ttl_seconds=2 * 3600.0)
        await asyncio.sleep(1.5 * 3600)
        said = [text for text in await reasons(control, stack) if "to be deleted in" in text]
        (said,) = said
        assert said.startswith("Stack is to be deleted in 1 h. To keep it longer: mantle stack ttl")
        await set_ttl(control, CALLER, stack, 8 * 3600.0)
        await asyncio.sleep(7.9 * 3600)
        said = [text for text in await reasons(control, stack) if "To keep it" in text]
        assert [text.partition(".")[0][-6:] for text in said] == ["in 1 h", "in 1 h", "10 min"]
        await asyncio.sleep(0.2 * 3600)
        assert await gone(control)

    told(story)


def test_a_protected_stack_outlives_its_time():
    """An event says so; unprotected, it goes at the next look."""

    async def story(control):
        stack = await made(control, ttl_seconds=60.0, protected=True)
        await asyncio.sleep(120)
        assert not await gone(control)
        assert "Stack's time is over, but it is protected from deletion" in await reasons(
            control, stack
        )
        await protect_stack(control, CALLER, stack, protected=False)
        await asyncio.sleep(3700)
        assert await gone(control)

    told(story)


def test_a_stack_ends_while_nobody_was_there():
    """The time passed while the process was down; the warnings come as one."""

    async def begin(control):
        await made(control, ttl_seconds=30.0)
        await set_ttl(
            control, CALLER, await find_stack(control, CALLER.project_id, "s"), 40.0, [30.0, 20.0]
        )

    async def later(control):
        await asyncio.sleep(10)
        assert await gone(control)

    plant = told(begin)
    plant.origin += 3600
    told(later, plant)


def test_an_end_survives_a_power_cut_at_every_moment():
    """Warned and deleted once, whatever is cut off."""

    def staged():
        async def begin(control):
            stack = await made(control)
            await set_ttl(control, CALLER, stack, 100.0, [50.0])

        return told(begin)

    async def wait(control):
        await asyncio.sleep(150)
        await quiet(control)

    plant = staged()
    plant.armed = True
    assert plant.life(wait)
    for point in range(len(plant.moments)):
        plant = staged()
        plant.armed, plant.cut_at = True, point
        plant.life(wait)
        plant.armed = False
        plant.life(wait)
        assert plant.stack("s") is None, f"cut at {point}"
        assert plant.problems(None) == []


def test_lifetimes_are_checked():
    """Not a number, too short, too long, too many warnings."""

    async def story(control):
        stack = await made(control)
        for seconds in (float("nan"), float("inf"), 0, -1, 1e12):
            with pytest.raises(MantleError, match="time to live"):
                await set_ttl(control, CALLER, stack, seconds)
        with pytest.raises(MantleError, match="Warnings cannot come"):
            await set_ttl(control, CALLER, stack, 60.0, [float("nan")])
        with pytest.raises(MantleError, match="Warnings cannot come"):
            await set_ttl(control, CALLER, stack, 60.0, [float(i) for i in range(1, 40)])

    told(story)


@pytest.mark.proves("beyond: prevent_destroy")
def test_prevent_destroy_names_the_line():
    """Of the new template, or of the one in force when the resource is no longer in the new one."""

    async def story(control):
        stack = await made(control, KEPT)
        for template in (KEPT.replace("8}", "9}"), HEAD + "  x: {type: OS::Heat::RandomString}\n"):
            request = UpdateRequest(template=template, template_name="web.yaml")
            with pytest.raises(Invalid, match=r"web.yaml:5:\d+ .*r \(OS::Heat::RandomString\)"):
                await update_stack(control, CALLER, stack, request)
        with pytest.raises(Invalid, match=r"web.yaml:5:\d+ .*the stack is deleted"):
            await delete_stack(control, CALLER, stack)
        assert (await find_stack(control, CALLER.project_id, "s")).state == "CREATE_COMPLETE"

    told(story)


def test_what_is_protected_inside_a_nested_stack_keeps_the_whole():
    """The parent is not deleted, and the nested stack not taken out of it."""

    async def story(control):
        stack = await made(control, NESTED)
        with pytest.raises(Invalid, match=r"nested stack it is in \(g\) would be deleted"):
            await delete_stack(control, CALLER, stack)
        with pytest.raises(Invalid, match=r"nested stack it is in \(g\) would be deleted"):
            await update_stack(control, CALLER, stack, UpdateRequest(template=ONE))

    told(story)


async def ruled(control, expression, **rest):
    request = RuleRequest(
        **{"name": "no", "effect": "deny", "expression": expression, "origin": "rules.yaml:3"}
        | rest
    )
    return await set_rule(control, CALLER, request)


@pytest.mark.proves("beyond: policy rules")
def test_a_denial_names_the_rule_and_the_lines_in_create_update_and_delete():
    """Nothing is touched; a plan shows the denial instead of refusing to be made."""

    async def story(control):
        await ruled(control, "change == 'create' && after.length > 100", description="too long")
        long = ONE.replace("8}", "200}")
        with pytest.raises(
            Denied, match=r"web.yaml:3:3: create r: denied by project rule 'no' \(rules.yaml:3\): "
        ):
            await made(control, long)
        plan = await plan_create(
            control, CALLER, CreateRequest(name="s", source=TemplateSource(template=long))
        )
        assert [verdict.reason for verdict in plan.verdicts] == ["too long"]
        stack = await made(control)
        await ruled(control, "change == 'replace' || change == 'delete'")
        with pytest.raises(Denied, match=r"create r: denied .*delete r: denied|create r: denied"):
            await update_stack(control, CALLER, stack, UpdateRequest(template=long))
        with pytest.raises(Denied, match="delete r: denied"):
            await delete_stack(control, CALLER, stack)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "CREATE_COMPLETE"
        await delete_rule(control, CALLER, "no")
        await delete_stack(control, CALLER, stack)

    told(story)


def test_the_operators_rules_hold_in_every_project_and_a_projects_only_there():
    """Another project's rule is neither seen nor asked."""

    async def story(control):
        other = replace(CALLER, project_id="other")
        await set_rule(control, other, RuleRequest(name="no", effect="deny", expression="true"))
        await made(control)
        everywhere = RuleRequest(name="no", effect="deny", expression="true", everywhere=True)
        await set_rule(control, other, everywhere)
        with pytest.raises(Denied, match="operator rule 'no'"):
            await made(control, name="t")
        with pytest.raises(NotFound):
            await delete_rule(control, CALLER, "no")

    told(story)


def test_rules_are_asked_again_for_what_is_planned_later():
    """An update behind a running operation is planned by the engine, with its asker's roles."""

    async def story(control):
        slow = HEAD + "  t: {type: OS::Heat::TestResource, properties: {wait_secs: 20}}\n"
        await create_stack(
            control, CALLER, CreateRequest(name="s", source=TemplateSource(template=slow))
        )
        await asyncio.sleep(1)
        await ruled(control, "change == 'create' && !('admin' in user.roles)")
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=slow + ONE[len(HEAD) :]))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_FAILED"
        assert "denied by project rule 'no'" in stack.reason

    told(story)


def test_a_rule_is_checked_when_it_is_set():
    """Everything wrong with it at once, with line and column."""

    async def story(control):
        request = RuleRequest(
            name="9", effect="forbid", expression="1 +\n nosuch", actions=("fly",),
            resource_types=("OS Nova",), description="x" * 2000,
        )  # fmt: skip
        with pytest.raises(Invalid) as caught:
            await set_rule(control, CALLER, request)
        codes = {problem.code for problem in caught.value.problems}
        assert codes == {
            "rule-name", "rule-effect", "rule-action", "rule-type", "rule-size", "rule-expression",
        }  # fmt: skip
        assert "line 2, column 2" in str(caught.value)

    told(story)
