"""What is over is forgotten in time; what lives never loses what it needs."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_operations
from mantle.stacks.snapshots import restore_snapshot, take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.stacks.upkeep import Upkeep
from mantle.store import retention

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  text: {type: OS::Heat::RandomString, properties: {length: SIZE}}
"""
YEAR = 365 * 86_400.0


def sized(size):
    return TEMPLATE.replace("SIZE", str(size))


async def made(control, name="s"):
    source = TemplateSource(template=sized(4))
    await create_stack(control, CALLER, CreateRequest(name=name, source=source))
    await quiet(control)
    return await find_stack(control, CALLER.project_id, name)


def told(story):
    assert Plant().life(story)


@pytest.mark.proves("life cycle: retention")
def test_a_year_later_a_living_stack_has_all_it_needs_and_a_deleted_one_is_gone():
    """It is shown, updated and restored as if nothing had been forgotten."""

    async def story(control):
        upkeep = Upkeep(control)
        stack, gone = await made(control), await made(control, "gone")
        snapshot = await take_snapshot(control, CALLER, stack, None)
        await quiet(control)
        await update_stack(control, CALLER, stack, UpdateRequest(template=sized(5)))
        await delete_stack(control, CALLER, gone)
        await quiet(control)
        assert len(await list_operations(control, stack)) == 3
        await upkeep.forget(control.clock.now())
        assert (await find_stack(control, CALLER.project_id, gone.id, deleted=True)).name == "gone"
        await upkeep.forget(control.clock.now() + YEAR)
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, gone.id, deleted=True)
        assert len(await list_operations(control, stack)) == 1
        stack = await find_stack(control, CALLER.project_id, "s")
        await restore_snapshot(control, CALLER, stack, snapshot.id)
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "RESTORE_COMPLETE", stack.reason
        await update_stack(control, CALLER, stack, UpdateRequest(template=sized(6)))
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_COMPLETE", stack.reason

    told(story)


def test_the_newest_events_stay():
    """So many as a stack may have; those of an operation under way stay all."""

    async def story(control):
        stack = await made(control)
        before = await list_events(control, stack, EventQuery())
        await control.database.write(retention.purge_events, 2)
        after = await list_events(control, stack, EventQuery())
        assert [view.event.id for view in after] == [view.event.id for view in before[:2]]
        slow = TEMPLATE.replace("OS::Heat::RandomString", "OS::Neutron::Net").replace(
            "{length: SIZE}", "{}"
        )
        await update_stack(control, CALLER, stack, UpdateRequest(template=slow))
        await asyncio.sleep(0)
        running = await list_events(control, stack, EventQuery())
        await control.database.write(retention.purge_events, 1)
        kept = await list_events(control, stack, EventQuery())
        assert {v.event.id for v in running if v.event.operation_id} - {
            v.event.id for v in before
        } <= {v.event.id for v in kept}
        await quiet(control)

    told(story)


def test_upkeep_forgets_by_itself():
    """An hour after the start the first time."""

    async def story(control):
        control.machine.settings = replace(control.machine.settings, events_per_stack=1)
        upkeep = Upkeep(control)
        stack = await made(control)
        await upkeep.turn()
        assert len(await list_events(control, stack, EventQuery())) > 1
        await asyncio.sleep(3700)
        await upkeep.turn()
        assert len(await list_events(control, stack, EventQuery())) == 1

    told(story)
