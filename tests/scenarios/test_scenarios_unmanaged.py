"""What is on a cloud and in no stack is listed, and nothing else is."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import NetworkSpec, VolumeSpec
from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, Token
from mantle.stacks.adopt import abandon_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.queries import find_stack
from mantle.stacks.unmanaged import unmanaged

pytestmark = pytest.mark.proves("beyond: inventory of the unmanaged")

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  server:
    type: OS::Nova::Server
    depends_on: subnet
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  group:
    type: OS::Heat::ResourceGroup
    properties: {count: 2, resource_def: {type: OS::Cinder::Volume, properties: {size: 1}}}
"""


async def made(control):
    request = CreateRequest(name="s", source=TemplateSource(template=TEMPLATE))
    await create_stack(control, CALLER, request)
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, "s")
    assert stack.state == "CREATE_COMPLETE", stack.reason
    return stack


async def found(control, **options):
    inventory = await unmanaged(control, CALLER.project_id, "simulated", **options)
    return [(each.type, each.name) for each in inventory.objects]


def test_what_a_stack_made_is_not_listed_until_it_is_abandoned():
    """Nor what the cloud made on the way; then everything is."""

    async def story(control):
        stack = await made(control)
        assert await found(control) == []
        await abandon_stack(control, CALLER, stack)
        types = {kind for kind, _ in await found(control)}
        assert types >= {
            "OS::Neutron::Net",
            "OS::Neutron::Subnet",
            "OS::Nova::Server",
            "OS::Octavia::LoadBalancer",
            "OS::Cinder::Volume",
        }

    assert Plant().life(story)


def test_what_somebody_made_by_hand_is_listed_by_type_and_name():
    """Of this project only, and of one type when that is asked for."""

    async def story(control):
        stack = await made(control)
        session = control.machine.session(stack)
        await session.networks.create(NetworkSpec(name="forgotten"), Token("hand-1"))
        await session.volumes.create(VolumeSpec(name="old", size_gib=1), Token("hand-2"))
        other = control.cloud.session(ProjectId("another"))
        await other.networks.create(NetworkSpec(name="foreign"), Token("hand-3"))
        assert await found(control) == [
            ("OS::Cinder::Volume", "old"),
            ("OS::Neutron::Net", "forgotten"),
        ]
        assert await found(control, only="OS::Neutron::Net") == [("OS::Neutron::Net", "forgotten")]
        with pytest.raises(NotFound, match="are not listed"):
            await found(control, only="OS::Heat::Value")

    assert Plant().life(story)
