"""A plan made from rows that have moved meanwhile is not accepted: asked again, or made anew."""

import dataclasses
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Conflict
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import check_stack, resume_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.snapshots import list_snapshots, restore_snapshot, take_snapshot
from mantle.stacks.update import UpdateRequest, update_stack
from mantle.store import resources as resource_rows

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
NET = "  net: {type: OS::Neutron::Net}\n"
DISK = "  disk: {type: OS::Cinder::Volume, properties: {size: 1}}\n"
MORE = "  more: {type: OS::Cinder::Volume, properties: {size: 2}}\n"


class Interrupted:
    """The same database; once, just after a stack's rows were read, something else happens."""

    def __init__(self, database, happens):
        self.database = database
        self.happens = happens

    def __getattr__(self, name):
        return getattr(self.database, name)

    async def read(self, function, *arguments):
        found = await self.database.read(function, *arguments)
        if function is resource_rows.of_stack and self.happens is not None:
            happens, self.happens = self.happens, None
            await happens()
        return found


def slow(control, happens):
    """The control plane as a request sees it that is overtaken while it plans."""
    machine = dataclasses.replace(control.machine, database=Interrupted(control.database, happens))
    return dataclasses.replace(control, machine=machine)


async def stack_of(control):
    return await find_stack(control, CALLER.project_id, "s")


async def change(control, template):
    await update_stack(control, CALLER, await stack_of(control), UpdateRequest(template=template))
    await quiet(control)


async def restore(control, caller, stack):
    (snapshot,) = await list_snapshots(control, stack)
    await restore_snapshot(control, caller, stack, snapshot.id)


async def snapshot(control, caller, stack):
    await take_snapshot(control, caller, stack, None)


async def update(control, caller, stack):
    await update_stack(control, caller, stack, UpdateRequest(template=HEAD + NET + DISK + MORE))


async def begun(control):
    source = TemplateSource(template=HEAD + NET + DISK)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source))
    await quiet(control)
    await take_snapshot(control, CALLER, await stack_of(control), None)
    await quiet(control)


@pytest.mark.parametrize(
    "verb", [check_stack, suspend_stack, resume_stack, snapshot, restore, update]
)
def test_a_request_whose_rows_an_update_changed_meanwhile_is_refused_and_can_be_repeated(verb):
    """The update came and went while the request was planned: nobody was busy at either look."""

    async def story(control):
        await begun(control)
        stack = await stack_of(control)
        overtaken = slow(control, lambda: change(control, HEAD + NET))
        with pytest.raises(Conflict, match="in this moment"):
            await verb(overtaken, CALLER, stack)
        await verb(control, CALLER, await stack_of(control))
        await quiet(control)
        stack = await stack_of(control)
        assert stack.status == "COMPLETE", stack.reason

    assert Plant().life(story)


def test_a_deletion_is_planned_anew_and_leaves_nothing_behind():
    """A disk that came after the rows were read is deleted with the others."""

    async def story(control):
        await begun(control)
        stack = await stack_of(control)
        overtaken = slow(control, lambda: change(control, HEAD + NET + DISK + MORE))
        await delete_stack(overtaken, CALLER, stack)

    plant = Plant()
    assert plant.life(story)
    assert plant.problems(None) == []
