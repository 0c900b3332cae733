"""Power is cut at every durable write and around every cloud call, in every operation.

Each time the process starts again over what is left. The declared state is reached, no object is
doubled, none is left behind, and none is lost.
"""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant

from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.actions import check_stack, suspend_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.update import UpdateRequest, update_stack

BEFORE = """
heat_template_version: 2018-08-31
resources:
  secret: {type: OS::Heat::RandomString, properties: {length: 8}}
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  router: {type: OS::Neutron::Router}
  interface:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
  group: {type: OS::Neutron::SecurityGroup, properties: {rules: [{protocol: tcp}]}}
  port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
  server:
    type: OS::Nova::Server
    properties:
      flavor: m1.small
      image: cirros
      networks: [{port: {get_resource: port}}]
      metadata: {secret: {get_attr: [secret, value]}}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  attachment:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: server}, volume_id: {get_resource: volume}}
  balancer:
    type: OS::Octavia::LoadBalancer
    properties: {vip_subnet: {get_resource: subnet}}
  members:
    type: OS::Heat::ResourceGroup
    properties:
      count: 2
      resource_def: {type: OS::Neutron::Net, properties: {name: member-%index%}}
outputs:
  address: {value: {get_attr: [server, first_address]}}
"""

AFTER = (
    BEFORE.replace("name: inner", "name: renamed")
    .replace("length: 8", "length: 9")
    .replace("flavor: m1.small", "flavor: m1.medium")
    .replace("count: 2", "count: 3")
    .replace(
        "  router: {type: OS::Neutron::Router}\n",
        "  router: {type: OS::Neutron::Router}\n  added: {type: OS::Neutron::Net}\n",
    )
    .replace("properties: {size: 1}", "properties: {size: 1, availability_zone: nova}")
)

FAILING = AFTER.replace(
    "  router: {type: OS::Neutron::Router}\n",
    "  router: {type: OS::Neutron::Router}\n"
    "  broken: {type: OS::Heat::TestResource, depends_on: server, properties: {fail: true}}\n",
)


async def create(control, template=BEFORE, **options):
    try:
        await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        request = CreateRequest(name="s", source=TemplateSource(template=template), **options)
        await create_stack(control, CALLER, request)


async def create_and_fail(control):
    await create(control, FAILING, disable_rollback=False)


async def update(control, template=AFTER, **options):
    stack = await find_stack(control, CALLER.project_id, "s")
    if stack.updated_at is None:
        await update_stack(control, CALLER, stack, UpdateRequest(template=template, **options))


async def update_and_fail(control):
    await update(control, FAILING, disable_rollback=False)


async def delete(control):
    try:
        stack = await find_stack(control, CALLER.project_id, "s")
    except NotFound:
        return
    await delete_stack(control, CALLER, stack)


def once(verb):
    async def act(control):
        stack = await find_stack(control, CALLER.project_id, "s")
        if stack.action == "CREATE":
            await verb(control, CALLER, stack)

    return act


STORIES = {
    "create": ([], create, "CREATE_COMPLETE"),
    "create, rolled back": ([], create_and_fail, "ROLLBACK_COMPLETE"),
    "update": ([create], update, "UPDATE_COMPLETE"),
    "update, rolled back": ([create], update_and_fail, "ROLLBACK_COMPLETE"),
    "delete": ([create], delete, None),
    "check": ([create], once(check_stack), "CHECK_COMPLETE"),
    "suspend": ([create], once(suspend_stack), "SUSPEND_COMPLETE"),
}


def staged(earlier) -> Plant:
    plant = Plant()
    for story in earlier:
        assert plant.life(story)
    return plant


def points(name: str) -> int:
    earlier, story, _ = STORIES[name]
    plant = staged(earlier)
    plant.armed = True
    assert plant.life(story)
    return len(plant.moments)


def survived(name: str, point: int) -> list[str]:
    """Cut the power at one moment of a story; what is wrong after the restart."""
    earlier, story, expected = STORIES[name]
    plant = staged(earlier)
    plant.armed, plant.cut_at = True, point
    finished = plant.life(story)
    plant.armed = False
    cut = plant.moments[-1]
    if not finished and not plant.life(story):
        return [f"cut {cut}: the second life ended too"]
    stack = plant.stack("s")
    state = stack.state if stack else None
    found = plant.problems(stack)
    if state != expected:
        found.append(f"is {state}: {stack.reason if stack else ''}")
    return [f"cut at {point} ({cut}): {problem}" for problem in found]


@pytest.mark.parametrize("name", STORIES)
def test_an_operation_survives_a_power_cut(name):
    """At two moments, nothing is lost; the long suite tries each."""
    total = points(name)
    assert [
        problem for point in (total // 3, total * 2 // 3) for problem in survived(name, point)
    ] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_an_operation_survives_a_power_cut_at_every_single_moment(name):
    """At each moment there is."""
    assert [problem for point in range(points(name)) for problem in survived(name, point)] == []
