"""Snapshots of stacks keep what volumes and servers hold, and give it back."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.model.errors import Conflict, Invalid, NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.observing import observe_stack, unwanted_below
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_resources
from mantle.stacks.snapshots import (
    delete_snapshot,
    find_snapshot,
    list_snapshots,
    restore_snapshot,
    take_snapshot,
)
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, update_stack

ONE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: %s}}
  disk: {type: OS::Cinder::Volume, properties: {size: 2, name: data}}
  web: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: cirros}}
  plug:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: web}, volume_id: {get_resource: disk}}
"""
FIRST, SECOND = ONE % "first", ONE % "second"

NESTED = """
heat_template_version: 2018-08-31
resources:
  group:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: OS::Cinder::Volume, properties: {size: 1, name: part-%index%}}
"""


def told(plant, story):
    assert plant.life(story)


async def made(control, template=FIRST, **options):
    source = TemplateSource(template=template)
    await create_stack(control, CALLER, CreateRequest(name="s", source=source, **options))
    return await settled(control)


async def settled(control):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def kept(control, name=None):
    """A snapshot taken to its end."""
    stack = await find_stack(control, CALLER.project_id, "s")
    snapshot = await take_snapshot(control, CALLER, stack, name)
    await quiet(control)
    return await find_snapshot(control, stack, snapshot.id)


async def restored(control, snapshot):
    stack = await find_stack(control, CALLER.project_id, "s")
    await restore_snapshot(control, CALLER, stack, snapshot.id)
    return await settled(control)


async def physical(control, depth=0):
    stack = await find_stack(control, CALLER.project_id, "s")
    views = await list_resources(control, stack, depth)
    return {view.record.name: view.record.physical_id for view in views}


def fill(plant, **texts):
    """Write into objects by id: `volumes={id: text}`."""
    for collection, held in texts.items():
        for object_id, text in held.items():
            plant.world.contents[CALLER.project_id, collection, object_id] = text


def holds(plant, collection, object_id):
    return plant.world.contents.get((CALLER.project_id, collection, object_id), "")


def copies(plant):
    names = ("volume_backups", "volume_snapshots", "server_images")
    return [kind for kind, _, _ in plant.world.listing() if kind in names]


@pytest.mark.proves("life cycle: snapshots of contents, taken")
@pytest.mark.proves("life cycle: snapshots of contents, restored")
def test_a_restore_gives_back_what_volumes_and_servers_held():
    """In place: same objects, same attachment, the contents and the template of that moment."""
    plant = Plant()

    async def story(control):
        await made(control)
        ids = await physical(control)
        fill(plant, volumes={ids["disk"]: "data"}, servers={ids["web"]: "system"})
        snapshot = await kept(control, "before")
        assert snapshot.status == "COMPLETE", snapshot.reason
        noted = {name: each["resource_data"] for name, each in snapshot.data["resources"].items()}
        assert (list(noted["disk"]), "snapshot_image_id" in noted["web"]) == (["backup_id"], True)
        fill(plant, volumes={ids["disk"]: "ruined"}, servers={ids["web"]: "ruined"})
        stack = await find_stack(control, CALLER.project_id, "s")
        await update_stack(control, CALLER, stack, UpdateRequest(template=SECOND))
        await quiet(control)
        stack = await restored(control, snapshot)
        assert stack.state == "RESTORE_COMPLETE", stack.reason
        assert await physical(control) == ids
        assert holds(plant, "volumes", ids["disk"]) == "data"
        assert holds(plant, "servers", ids["web"]) == "system"
        session = control.cloud_named("simulated").session(CALLER.project_id)
        assert (await session.volumes.get(ids["disk"])).attached_to == (ids["web"],)
        assert (await session.networks.get(ids["net"])).name == "first"

    told(plant, story)
    assert plant.problems_without(copies_of(plant)) == []


def copies_of(plant):
    return {
        token
        for kind, _, token in plant.world.listing()
        if kind in {"volume_backups", "volume_snapshots", "server_images"}
    }


def test_what_was_replaced_or_removed_since_is_made_again_and_filled():
    """Contents are kept by name: another object of that name is filled with them."""
    plant = Plant()

    async def story(control):
        await made(control)
        before = await physical(control)
        fill(plant, volumes={before["disk"]: "data"})
        snapshot = await kept(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        without = FIRST[: FIRST.index("  disk")] + "  alone: {type: OS::Neutron::Net}\n"
        await update_stack(control, CALLER, stack, UpdateRequest(template=without))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        stack = await restored(control, snapshot)
        assert stack.state == "RESTORE_COMPLETE", stack.reason
        after = await physical(control)
        assert after["disk"] != before["disk"]
        assert holds(plant, "volumes", after["disk"]) == "data"

    told(plant, story)


def test_members_of_groups_are_kept_and_filled_too():
    """By their path, as deep as stacks are nested."""
    plant = Plant()

    async def story(control):
        await made(control, NESTED)
        ids = await physical(control, 2)
        fill(plant, volumes={ids["0"]: "zero", ids["1"]: "one"})
        snapshot = await kept(control)
        assert snapshot.status == "COMPLETE", snapshot.reason
        assert [each.path for each in snapshot.contents] == [("group", "0"), ("group", "1")]
        inner = snapshot.data["resources"]["group"]["resources"]
        assert all("backup_id" in inner[name]["resource_data"] for name in "01")
        fill(plant, volumes={ids["0"]: "", ids["1"]: "ruined"})
        stack = await find_stack(control, CALLER.project_id, "s")
        fewer = NESTED.replace("count: 2", "count: 1")
        await update_stack(control, CALLER, stack, UpdateRequest(template=fewer))
        await quiet(control)
        stack = await restored(control, snapshot)
        assert stack.state == "RESTORE_COMPLETE", stack.reason
        after = await physical(control, 2)
        assert holds(plant, "volumes", after["0"]) == "zero"
        assert holds(plant, "volumes", after["1"]) == "one"

    told(plant, story)


@pytest.mark.proves("life cycle: snapshots of contents, deleted")
def test_deleting_a_snapshot_deletes_what_it_kept():
    """Gone from every listing at once, and from the cloud soon after; the stack stays as it is."""
    plant = Plant()

    async def story(control):
        await made(control)
        first, second = await kept(control), await kept(control)
        assert len(copies(plant)) == 4
        stack = await find_stack(control, CALLER.project_id, "s")
        await delete_snapshot(control, stack, first.id)
        assert [each.id for each in await list_snapshots(control, stack)] == [second.id]
        await asyncio.sleep(10)
        assert len(copies(plant)) == 2
        ids = {each.kept[key] for each in second.contents for key in each.kept}
        left = {object_id for kind, object_id, _ in plant.world.listing() if kind in copies(plant)}
        assert left == ids

    told(plant, story)


def test_the_last_act_of_a_stack_takes_its_snapshots_with_it():
    """Nothing is left on the cloud; without `deletion_policy: Snapshot`, nothing is kept."""
    plant = Plant()

    async def story(control):
        stack = await made(control)
        await kept(control)
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        await asyncio.sleep(10)

    told(plant, story)
    assert copies(plant) == []
    assert plant.problems(None) == []


def test_a_snapshot_that_fails_leaves_nothing_when_it_is_deleted():
    """Also what was asked for and never answered is found, by its token."""
    plant = Plant()

    async def story(control):
        stack = await made(control)
        plant.faults.build_error = 1.0
        snapshot = await kept(control)
        plant.faults.build_error = 0.0
        assert snapshot.status == "FAILED"
        assert (await find_stack(control, CALLER.project_id, "s")).state == "SNAPSHOT_FAILED"
        assert copies(plant)
        await delete_snapshot(control, stack, snapshot.id)
        await asyncio.sleep(10)
        assert copies(plant) == []

    told(plant, story)


def test_a_snapshot_is_not_deleted_while_it_is_returned_to():
    """Its copies are needed to the end."""
    plant = Plant()

    async def story(control):
        stack = await made(control)
        snapshot = await kept(control)
        await restore_snapshot(control, CALLER, stack, snapshot.id)
        with pytest.raises(Conflict, match="being returned to"):
            await delete_snapshot(control, stack, snapshot.id)
        await quiet(control)
        await delete_snapshot(control, stack, snapshot.id)

    told(plant, story)


LAST = """
heat_template_version: 2018-08-31
resources:
  disk:
    type: OS::Cinder::Volume
    deletion_policy: Snapshot
    properties: {size: 2, name: data}
  web:
    type: OS::Nova::Server
    deletion_policy: Snapshot
    properties: {flavor: m1.tiny, image: cirros}
"""


@pytest.mark.proves("language: deletion_policy Snapshot")
def test_deletion_policy_snapshot_keeps_a_backup_and_an_image():
    """They outlive the stack, are named in its events, and are in no stack from then on."""
    plant = Plant()

    async def story(control):
        stack = await made(control, LAST)
        ids = await physical(control)
        fill(plant, volumes={ids["disk"]: "data"}, servers={ids["web"]: "system"})
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        assert plant.stack("s") is None
        events = await list_events(control, stack, EventQuery(limit=100))
        said = [
            each.event.reason
            for each in events
            if (each.event.action, each.event.status) == ("SNAPSHOT", "COMPLETE")
        ]
        left = {kind: object_id for kind, object_id, _ in plant.world.listing() if "_" in kind}
        assert holds(plant, "volume_backups", left["volume_backups"]) == "data"
        assert holds(plant, "server_images", left["server_images"]) == "system"
        assert sorted(said) == [
            f"What it holds is kept as backup {left['volume_backups']}",
            f"What it holds is kept as image {left['server_images']}",
        ]
        found = await unmanaged(control, CALLER.project_id, "simulated")
        assert {each.id for each in found.objects} >= set(left.values())
        await asyncio.sleep(100)
        again = LAST.replace("size: 2", f"size: 2, backup_id: {left['volume_backups']}")
        again = again.replace("image: cirros", f"image: {left['server_images']}")
        await made(control, again)
        ids = await physical(control)
        assert holds(plant, "volumes", ids["disk"]) == "data"
        assert holds(plant, "servers", ids["web"]) == "system"

    told(plant, story)


def test_an_object_that_is_gone_already_is_no_obstacle_to_its_deletion():
    """There is nothing to keep; the stack goes."""
    plant = Plant()

    async def story(control):
        stack = await made(control, LAST)
        ids = await physical(control)
        session = control.cloud_named("simulated").session(CALLER.project_id)
        await session.volumes.delete(ids["disk"])
        await asyncio.sleep(10)
        await delete_stack(control, CALLER, stack)
        await quiet(control)
        assert plant.stack("s") is None

    told(plant, story)


@pytest.mark.proves("language: deletion_policy Snapshot")
def test_types_that_hold_nothing_refuse_the_policy_by_name():
    """With the line, and what can be said instead."""

    async def story(control):
        with pytest.raises(Invalid) as refused:
            await made(
                control,
                "heat_template_version: 2018-08-31\nresources:\n"
                "  net: {type: OS::Neutron::Net, deletion_policy: Snapshot}\n",
            )
        assert '"Snapshot" deletion policy not supported by OS::Neutron::Net' in str(refused.value)

    told(Plant(), story)


def test_another_backup_id_puts_that_backup_into_the_volume():
    """As in Heat, in place: an update of `backup_id` restores, and keeps the attachment."""
    plant = Plant()

    async def story(control):
        await made(control)
        ids = await physical(control)
        fill(plant, volumes={ids["disk"]: "data"})
        snapshot = await kept(control)
        backup = next(
            each.kept["backup_id"] for each in snapshot.contents if each.path[0] == "disk"
        )
        fill(plant, volumes={ids["disk"]: "ruined"})
        stack = await find_stack(control, CALLER.project_id, "s")
        changed = FIRST.replace("size: 2,", f"size: 2, backup_id: {backup},")
        await update_stack(control, CALLER, stack, UpdateRequest(template=changed))
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert await physical(control) == ids
        assert holds(plant, "volumes", ids["disk"]) == "data"

    told(plant, story)


def test_a_snapshot_of_a_suspended_stack_keeps_its_contents():
    """Contents can be kept whatever the power state."""
    plant = Plant()

    async def story(control):
        stack = await made(control)
        await suspend_stack(control, CALLER, stack)
        await quiet(control)
        snapshot = await kept(control)
        assert snapshot.status == "COMPLETE", snapshot.reason
        assert len(snapshot.contents) == 2

    told(plant, story)


# --- power cuts ------------------------------------------------------------------------------


async def begin(control):
    try:
        await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        await made(control)


async def take(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    if not await list_snapshots(control, stack):
        await take_snapshot(control, CALLER, stack, None)


async def ruin(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    fill_all(control, "ruined")
    await update_stack(control, CALLER, stack, UpdateRequest(template=SECOND))


async def remove(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    without = FIRST[: FIRST.index("  disk")]
    await update_stack(control, CALLER, stack, UpdateRequest(template=without))


def fill_all(control, text):
    world = control.cloud_named("simulated").world
    for kind, object_id, _ in world.listing():
        if kind in {"volumes", "servers"}:
            world.contents[CALLER.project_id, kind, object_id] = text


async def take_filled(control):
    fill_all(control, "good")
    await take(control)


async def back(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    (snapshot,) = await list_snapshots(control, stack)
    if stack.action != "RESTORE":
        await restore_snapshot(control, CALLER, stack, snapshot.id)


async def drop(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    for snapshot in await list_snapshots(control, stack):
        await delete_snapshot(control, stack, snapshot.id)
    await asyncio.sleep(15)


async def keep_last(control):
    try:
        stack = await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        return
    await delete_stack(control, CALLER, stack)


async def begin_last(control):
    await made(control, LAST)
    fill_all(control, "good")


def contents_of(plant):
    return sorted(
        (kind, holds(plant, kind, object_id))
        for kind, object_id, _ in plant.world.listing()
        if kind in {"volumes", "servers", "volume_backups", "server_images"}
    )


GOOD = [(kind, "good") for kind in ("server_images", "servers", "volume_backups", "volumes")]

STORIES = {
    "snapshot": ([begin], take_filled, "SNAPSHOT_COMPLETE", GOOD),
    "restore": ([begin, take_filled, ruin], back, "RESTORE_COMPLETE", GOOD),
    "restore what is gone": ([begin, take_filled, remove], back, "RESTORE_COMPLETE", GOOD),
    "delete snapshot": ([begin, take_filled], drop, "SNAPSHOT_COMPLETE", [GOOD[1], GOOD[3]]),
    "delete stack": ([begin_last], keep_last, None, [GOOD[0], GOOD[2]]),
}


def staged(earlier):
    plant = Plant()
    for story in earlier:
        assert plant.life(story)
    return plant


def survived(name, point=None):
    """Cut the power at one moment: what is wrong after the restart. Without one: the moments."""
    earlier, story, state, contents = STORIES[name]
    plant = staged(earlier)
    plant.armed, plant.cut_at = True, point
    finished = plant.life(story)
    if point is None:
        assert finished
        return len(plant.moments)
    plant.armed = False
    cut = plant.moments[-1]
    if not finished:
        assert plant.life(story), f"cut {cut}: the second life ended too"
    stack = plant.stack("s")
    found = plant.problems_without(copies_of(plant)) if stack else []
    if (stack.state if stack else None) != state:
        found.append(f"is {stack.state if stack else None}: {stack.reason if stack else ''}")
    if contents_of(plant) != contents:
        found.append(f"holds {contents_of(plant)}")
    return [f"cut at {point} ({cut}): {problem}" for problem in found]


@pytest.mark.parametrize("name", STORIES)
def test_contents_survive_a_power_cut(name):
    """At a sample of moments: nothing kept twice, nothing half, nothing left behind."""
    total = survived(name)
    sample = sorted({*range(0, total, 19), 1, 2, total - 2, total - 1})
    assert [problem for point in sample for problem in survived(name, point)] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_contents_survive_a_power_cut_at_every_single_moment(name):
    """At each moment there is."""
    assert [each for point in range(survived(name)) for each in survived(name, point)] == []


def test_a_restored_server_is_as_it_should_be():
    """Its image is now the kept one: that is no drift, and an update that converges leaves it."""
    plant = Plant()

    async def story(control):
        stack = await made(control)
        ids = await physical(control)
        fill(plant, servers={ids["web"]: "system"}, volumes={ids["disk"]: "data"})
        snapshot = await kept(control)
        stack = await restored(control, snapshot)
        await observe_stack(control, stack)
        assert await control.database.read(unwanted_below, stack) == []
        stack = await find_stack(control, CALLER.project_id, "s")
        change = UpdateRequest(template=SECOND, converge=True)
        await update_stack(control, CALLER, stack, change)
        stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert (await physical(control)) == ids
        assert holds(plant, "servers", ids["web"]) == "system"
        assert holds(plant, "volumes", ids["disk"]) == "data"

    told(plant, story)
