"""What a project may have, what is hidden in listings, and what is forgotten early."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import LimitExceeded, MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.limits import list_limits, set_limit, unset_limit
from mantle.stacks.purging import purge_deleted
from mantle.stacks.queries import StackQuery, count_stacks, find_stack, list_stacks
from mantle.stacks.snapshots import take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
SLOW = HEAD + "  slow: {type: OS::Heat::TestResource, properties: {wait_secs: 60}}\n"
ONE = HEAD + "  one: {type: OS::Heat::Value, properties: {value: 1}}\n"
GROUP = HEAD + (
    "  g:\n    type: OS::Heat::ResourceGroup\n    properties:\n      count: %s\n"
    "      resource_def: {type: OS::Heat::Value, properties: {value: 1}}\n"
)
ROOT = replace(CALLER, roles=frozenset({"admin", "member"}), user_name="root")


def told(story):
    assert Plant().life(story)


async def made(control, name, template=ONE, caller=CALLER, **options):
    source = TemplateSource(template=template)
    request = CreateRequest(name=name, source=source, **options)
    return await create_stack(control, caller, request)


async def limited(control, name, value):
    await set_limit(control, ROOT, CALLER.project_id, name, value)


async def shown(control, name):
    found = await list_limits(control, CALLER.project_id)
    return next((each.value, each.used) for each in found if each.name == name)


@pytest.mark.proves("life cycle: limits")
def test_a_project_has_so_many_stacks_and_no_more():
    """Refused with what, how many and who can raise it; an administrator is not bound."""

    async def story(control):
        await limited(control, "stacks", 1)
        await made(control, "a")
        with pytest.raises(LimitExceeded, match="maximum stacks per tenant, 1"):
            await made(control, "b")
        await made(control, "c", caller=ROOT)
        await quiet(control)
        assert await shown(control, "stacks") == (1, 2)
        await limited(control, "stacks", -1)
        await made(control, "b")

    told(story)


@pytest.mark.proves("life cycle: limits")
def test_a_project_has_so_many_operations_at_once():
    """Deleting is never refused: it is how one gets below the limit again."""

    async def story(control):
        await limited(control, "operations", 2)
        stack, _ = await made(control, "a", SLOW)
        await made(control, "b", SLOW)
        with pytest.raises(LimitExceeded, match="2 operations under way; 2 are allowed") as refused:
            await made(control, "c")
        assert "raise the limit `operations`" in refused.value.remedy
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "c")
        with pytest.raises(LimitExceeded):
            await update_stack(control, CALLER, stack, UpdateRequest(template=ONE))
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        await made(control, "c")
        await quiet(control)
        assert await shown(control, "operations") == (2, 0)

    told(story)


def test_operations_of_nested_stacks_do_not_count():
    """One was asked for; how many it takes inside is its own affair."""

    async def story(control):
        await limited(control, "operations", 1)
        await made(control, "a", GROUP % 3)
        await quiet(control)
        assert (await find_stack(control, CALLER.project_id, "a")).state == "CREATE_COMPLETE"

    told(story)


@pytest.mark.proves("life cycle: limits")
def test_a_tree_of_stacks_has_so_many_resources():
    """With all that is nested in it; a group that grows beyond is refused when it grows."""

    async def story(control):
        await limited(control, "resources_per_stack", 4)
        with pytest.raises(LimitExceeded, match="Maximum resources per stack exceeded"):
            await made(control, "b", GROUP % 9)
        await made(control, "a", GROUP % 3)
        await quiet(control)
        assert await shown(control, "resources_per_stack") == (4, 4)
        stack = await find_stack(control, CALLER.project_id, "a")
        with pytest.raises(LimitExceeded, match="4 are allowed"):
            await update_stack(control, CALLER, stack, UpdateRequest(template=GROUP % 4))

    told(story)


def test_a_stack_has_so_many_snapshots():
    """And no more."""

    async def story(control):
        await limited(control, "snapshots_per_stack", 1)
        stack, _ = await made(control, "a")
        await quiet(control)
        await take_snapshot(control, CALLER, stack, None)
        await quiet(control)
        with pytest.raises(LimitExceeded, match="maximum of 1 snapshots"):
            await take_snapshot(control, CALLER, stack, None)

    told(story)


def test_limits_are_of_one_project_and_can_be_taken_back():
    """Another project has the usual ones; a name that means nothing, or a number, is refused."""

    async def story(control):
        await limited(control, "stacks", 1)
        others = await list_limits(control, ProjectId("p2"))
        assert {each.name: (each.value, each.set_by) for each in others}["stacks"] == (512, "")
        mine = await list_limits(control, CALLER.project_id)
        assert {each.name: (each.value, each.set_by) for each in mine}["stacks"] == (1, "root")
        await unset_limit(control, CALLER.project_id, "stacks")
        assert await shown(control, "stacks") == (512, 0)
        with pytest.raises(NotFound, match="the usual one already"):
            await unset_limit(control, CALLER.project_id, "stacks")
        with pytest.raises(NotFound, match="There is no limit 'servers'"):
            await limited(control, "servers", 1)
        with pytest.raises(MantleError, match="between -1"):
            await limited(control, "stacks", -2)

    told(story)


@pytest.mark.proves("api: hidden_stack_tags")
def test_stacks_with_a_hidden_tag_are_told_only_to_who_asks():
    """They are found by name all the same, as in Heat."""

    async def story(control):
        await made(control, "seen", tags=("mine",))
        await made(control, "unseen", tags=("data-processing-cluster", "mine"))
        await quiet(control)
        everything = StackQuery(show_hidden=True)
        listed = await list_stacks(control, CALLER.project_id, StackQuery())
        assert [each.name for each in listed] == ["seen"]
        assert await count_stacks(control, CALLER.project_id, StackQuery()) == 1
        assert await count_stacks(control, CALLER.project_id, everything) == 2
        assert (await find_stack(control, CALLER.project_id, "unseen")).name == "unseen"
        tagged = StackQuery(tags=("mine",))
        assert [each.name for each in await list_stacks(control, CALLER.project_id, tagged)] == [
            "seen"
        ]

    told(story)


@pytest.mark.proves("life cycle: purge of deleted stacks")
def test_deleted_stacks_are_forgotten_early_when_asked():
    """Of one project or of all, older than so long; what lives stays, whatever its age."""

    async def story(control):
        old, _ = await made(control, "old", GROUP % 2)
        await made(control, "live")
        await quiet(control)
        await delete_stack(control, CALLER, old)
        await quiet(control)
        await asyncio.sleep(1000)
        young, _ = await made(control, "young")
        await quiet(control)
        await delete_stack(control, CALLER, young)
        await quiet(control)
        assert (await purge_deleted(control, 500, ProjectId("p2"))).stacks == 0
        assert (await purge_deleted(control, 500)).stacks == 2
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, old.id, deleted=True)
        assert (await find_stack(control, CALLER.project_id, young.id, deleted=True)).name
        assert (await find_stack(control, CALLER.project_id, "live")).name == "live"
        with pytest.raises(MantleError, match="not possible"):
            await purge_deleted(control, -1)

    told(story)
