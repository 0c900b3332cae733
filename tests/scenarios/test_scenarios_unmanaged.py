"""What is on a cloud and in no stack is listed, and nothing else is."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import NetworkSpec, PortSpec, SecurityGroupSpec, SubnetSpec, VolumeSpec
from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, Token
from mantle.stacks.adopt import AdoptRequest, abandon_stack, adopt_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
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


PORTED = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, networks: [{subnet: {get_resource: subnet}}]}
"""


def test_ports_that_a_servers_resource_made_go_with_it():
    """Neither listed, nor left behind by whoever adopted the server."""

    async def story(control):
        source = TemplateSource(template=PORTED)
        await create_stack(control, CALLER, CreateRequest(name="s", source=source))
        await quiet(control)
        assert await found(control) == []
        stack = await find_stack(control, CALLER.project_id, "s")
        document = await abandon_stack(control, CALLER, stack)
        create = CreateRequest(name="t", source=TemplateSource(template=document["template"]))
        await adopt_stack(control, CALLER, AdoptRequest(create=create, document=document))
        await quiet(control)
        assert await found(control) == []
        assert await found(control, only="OS::Neutron::Port") == []
        taken = await find_stack(control, CALLER.project_id, "t")
        await delete_stack(control, CALLER, taken)
        await quiet(control)

    plant = Plant()
    assert plant.life(story)
    assert plant.problems(None) == []


def test_what_bears_no_mark_is_listed_unless_a_service_made_it():
    """On a cloud whose objects were made without Mantle nothing has a token."""

    async def story(control):
        session = control.cloud.session(CALLER.project_id)
        unmarked = Token("")
        net = await session.networks.create(NetworkSpec(name="by-hand"), unmarked)
        subnet = SubnetSpec(name="s", network_id=net.id, cidr="10.4.0.0/24")
        await session.subnets.create(subnet, unmarked)
        stack = await made(control)
        (server,) = await session.servers.list()
        for owner, user in (
            ("network:dhcp", "dhcp"),
            ("compute:nova", server.id),
            ("compute:nova", "another"),
        ):
            spec = PortSpec(name=user, network_id=net.id, device_owner=owner, device_id=user)
            port = await session.ports.create(spec, Token(user))
            shelf = control.cloud.world.shelf(CALLER.project_id, "ports")
            shelf[port.id].object = replace(shelf[port.id].object, token=unmarked)
        shared = NetworkSpec(name="everybodys", shared=True)
        theirs = await session.networks.create(shared, Token("x"))
        shelf = control.cloud.world.shelf(CALLER.project_id, "networks")
        shelf[theirs.id].object = replace(shelf[theirs.id].object, token=unmarked)
        spec = SubnetSpec(name="on-it", network_id=theirs.id, cidr="10.5.0.0/24")
        await session.subnets.create(spec, Token("y"))
        shelf = control.cloud.world.shelf(CALLER.project_id, "subnets")
        for each in shelf.values():
            if each.object.name == "on-it":
                each.object = replace(each.object, token=unmarked)
        assert stack.id
        await session.security_groups.create(SecurityGroupSpec(name="default"), unmarked)
        assert await found(control) == [
            ("OS::Neutron::Net", "by-hand"),
            ("OS::Neutron::Port", "another"),
            ("OS::Neutron::Subnet", "s"),
        ]

    assert Plant().life(story)
