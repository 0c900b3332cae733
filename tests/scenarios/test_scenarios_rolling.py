"""Rolling updates of a group on a simulated cloud, killed at every moment, and refused in time."""

import gc
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.simulated.faults import Moment
from mantle.model.errors import Invalid, NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.update import UpdateRequest, update_stack

TEMPLATE = """heat_template_version: 2018-08-31
parameters:
  flavor: {type: string, default: m1.tiny}
resources:
  group:
    type: OS::Heat::ResourceGroup
    update_policy:
      rolling_update: {max_batch_size: 2, min_in_service: 3, pause_time: 30}
    properties:
      count: 3
      resource_def:
        type: OS::Nova::Server
        properties:
          name: member-%index%
          image: cirros
          flavor: {get_param: flavor}
          flavor_update_policy: REPLACE
outputs:
  refs: {value: {get_attr: [group, refs]}}
"""


def source(template=TEMPLATE, **parameters):
    return TemplateSource(template=template, parameters=parameters)


async def created(control):
    try:
        return await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        await create_stack(control, CALLER, CreateRequest(name="s", source=source()))
        await quiet(control)
        return await find_stack(control, CALLER.project_id, "s")


async def update(control, template=TEMPLATE, **parameters):
    stack = await created(control)
    request = UpdateRequest(template=template, parameters=parameters)
    await update_stack(control, CALLER, stack, request)


async def members(control):
    stack = await find_stack(control, CALLER.project_id, "s")
    return {
        view.record.name: view.record.properties["flavor"]
        for view in await list_resources(control, stack, 1)
        if view.record.resolved_type == "OS::Nova::Server"
    }


class Census:
    """Who was there, as what, at each creation of a server."""

    def __init__(self, plant):
        self.plant, self.seen = plant, []
        self.plain = plant.faults.hook
        plant.faults.hook = self

    def __call__(self, moment, call):
        self.plain(moment, call)
        if moment is Moment.BEFORE and call in {"servers.create", "servers.delete"}:
            shelf = self.plant.world.shelf(CALLER.project_id, "servers")
            self.seen.append(sorted((t.object.name, t.object.spec.flavor) for t in shelf.values()))


@pytest.mark.proves("life cycle: rolling update")
def test_so_many_members_stay_in_service_as_were_asked_for():
    """The group grows by a batch, changes its members, and comes back to its size."""
    plant = Plant()

    async def story(control):
        await created(control)
        census = Census(plant)
        begun = control.clock.now()
        await update(control, flavor="m1.small")
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert await members(control) == dict.fromkeys("012", "m1.small")
        assert min(len(each) for each in census.seen) >= 3
        assert {name for each in census.seen for name, _ in each} >= {"member-3", "member-4"}
        assert control.clock.now() - begun >= 3 * 30

    assert plant.life(story)
    assert plant.problems(plant.stack("s")) == []


def test_without_anything_in_service_members_are_changed_in_batches():
    """Two, then one; no more than three are ever there."""
    plant = Plant()
    plain = TEMPLATE.replace("min_in_service: 3, pause_time: 30", "min_in_service: 0")

    async def story(control):
        await created(control)
        await update(control, plain, flavor="m1.small")
        await quiet(control)
        assert await members(control) == dict.fromkeys("012", "m1.small")
        stack = await find_stack(control, CALLER.project_id, "s")
        names = {view.record.name for view in await list_resources(control, stack, 1)}
        assert names == {"group", "0", "1", "2"}

    assert plant.life(story)


def test_a_round_that_fails_stops_the_update_and_the_next_one_goes_on():
    """Nobody is changed behind a failure; what was changed is not changed again."""
    plant = Plant()

    async def story(control):
        await created(control)
        plant.faults.quota = 4
        await update(control, flavor="m1.small")
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert stack.state == "UPDATE_FAILED"
        assert "quota" in stack.reason
        plant.faults.quota = None
        await update(control, flavor="m1.small")
        await quiet(control)
        stack = await find_stack(control, CALLER.project_id, "s")
        assert (stack.state, await members(control)) == (
            "UPDATE_COMPLETE",
            dict.fromkeys("012", "m1.small"),
        )
        await delete_stack(control, CALLER, stack)

    assert plant.life(story)
    assert plant.problems(None) == []


async def rolled(control):
    stack = await created(control)
    if stack.updated_at is None:
        await update(control, flavor="m1.small")


def moments():
    plant = Plant(armed=True)
    assert plant.life(rolled)
    return len(plant.moments)


@pytest.mark.proves("life cycle: rolling update")
@pytest.mark.parametrize("start", range(3))
def test_killed_at_any_moment_the_rounds_go_on_where_they_were(start):
    """Every server once, nobody left over, and the group as it should be."""
    for cut_at in range(start * 13, moments(), 41):
        plant = Plant(armed=True, cut_at=cut_at)
        assert not plant.life(rolled)
        # What the dead process left half done is closed here, not in the middle of another test.
        gc.collect()
        plant.cut_at = None
        assert plant.life(rolled)
        stack = plant.stack("s")
        assert stack.state == "UPDATE_COMPLETE", (cut_at, stack.state, stack.reason)
        assert plant.problems(stack) == [], cut_at
        flavors = [
            thing.object.spec.flavor
            for thing in plant.world.shelf(CALLER.project_id, "servers").values()
        ]
        assert flavors == ["m1.small"] * 3, cut_at


@pytest.mark.parametrize(
    ("old", "new", "message", "remedy"),
    [
        (
            "pause_time: 30",
            "pause_time: 1300",
            "the pauses of rolling_update in 'group' take 3900 s, its operations may take 3600 s",
            "Make the batches larger",
        ),
        ("max_batch_size: 2", "max_batch_size: 0", "0 is out of range (min: 1", ""),
        ("min_in_service: 3", "min_in_service: -1", "-1 is out of range (min: 0", ""),
        ("pause_time: 30", "pause_time: long", "'long' is not a number", ""),
        ("pause_time: 30", "pause: 30", "Unknown Property pause", "Did you mean 'pause_time'?"),
        ("rolling_update:", "roling_update:", "Unknown update policy 'roling_update'", "It takes"),
        ("rolling_update: {", "rolling_update: 7 #", '"7" is not a map', ""),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_by_name(old, new, message, remedy):
    """Before anything is touched, with the place in the template."""

    async def story(control):
        stack = await created(control)
        request = UpdateRequest(template=TEMPLATE.replace(old, new))
        with pytest.raises(Invalid) as caught:
            await update_stack(control, CALLER, stack, request)
        problem = caught.value.problems[0]
        assert message in problem.message
        assert remedy in problem.remedy
        assert problem.path[:3] == ("resources", "group", "update_policy")

    assert Plant().life(story)
