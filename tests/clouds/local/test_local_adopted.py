"""What a stack left on the local cloud is taken over, with a template, and ends with it."""

import asyncio

import pytest

from mantle.access.caller import Caller
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.model.graph import TemplateSource
from mantle.model.ids import UserId
from mantle.stacks.adopt import abandon_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import list_drift, look
from mantle.stacks.generate import GenerateRequest, adopt_objects
from mantle.stacks.queries import find_stack
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update
from mantle.store import operations as operation_rows
from mantle.store.database import Database
from mantle.wiring import assemble

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  key: {type: OS::Nova::KeyPair, properties: {name: key, public_key: ssh-rsa AAAA}}
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24, gateway_ip: 10.1.0.3}
  group:
    type: OS::Neutron::SecurityGroup
    properties:
      rules: [{protocol: tcp, port_range_min: 8080, port_range_max: 8080}]
  port:
    type: OS::Neutron::Port
    depends_on: subnet
    properties: {network: {get_resource: net}, security_groups: [{get_resource: group}]}
  router: {type: OS::Neutron::Router, properties: {external_gateway_info: {network: public}}}
  interface:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
  address:
    type: OS::Neutron::FloatingIP
    properties: {floating_network: public}
  joined:
    type: OS::Neutron::FloatingIPAssociation
    properties: {floatingip_id: {get_resource: address}, port_id: {get_resource: port}}
  volume: {type: OS::Cinder::Volume, properties: {size: 1, description: data}}
  server:
    type: OS::Nova::Server
    properties:
      flavor: m1.tiny
      image: local
      key_name: {get_resource: key}
      networks: [{port: {get_resource: port}}]
      metadata: {role: web}
      user_data: "#!/bin/sh\\ntrue\\n"
  attached:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: server}, volume_id: {get_resource: volume}}
  other:
    type: OS::Nova::Server
    properties: {flavor: m1.tiny, image: local, networks: [{network: {get_resource: net}}]}
  plain: {type: OS::Nova::Server, properties: {flavor: m1.tiny, image: local}}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  listener:
    type: OS::Octavia::Listener
    properties: {loadbalancer: {get_resource: balancer}, protocol: HTTP, protocol_port: 8080}
  pool:
    type: OS::Octavia::Pool
    properties: {listener: {get_resource: listener}, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
  member:
    type: OS::Octavia::PoolMember
    properties:
      pool: {get_resource: pool}
      address: {get_attr: [other, first_address]}
      protocol_port: 8080
  monitor:
    type: OS::Octavia::HealthMonitor
    properties: {pool: {get_resource: pool}, type: TCP, delay: 5, timeout: 3, max_retries: 2}
"""


@pytest.mark.proves("beyond: adopt into a generated template")
def test_every_type_of_the_local_cloud_goes_there_and_back(one_world):
    """The plan is empty, nothing drifts, and deleting the new stack leaves nothing."""
    caller = Caller(
        user_id=UserId("u"),
        user_name="tester",
        project_id=one_world.project,
        project_name="tests",
        roles=frozenset({"member"}),
    )

    async def settled(control, name):
        while await control.database.read(operation_rows.live):
            await asyncio.sleep(0.05)
        stack = await find_stack(control, caller.project_id, name)
        assert stack.state.endswith("_COMPLETE"), stack.reason
        return stack

    async def story():
        database = Database("sqlite://")
        database.create_tables()
        control, engine = assemble(
            database=database,
            clouds={"local": one_world.cloud},
            default_cloud="local",
            runtime=TaskRuntime(),
            links=Links(base_url="http://127.0.0.1:1", key=b"k" * 32),
            settings=Settings(poll_first_seconds=0.05, poll_most_seconds=0.2),
        )
        await one_world.cloud.start()
        await engine.open()
        try:
            source = TemplateSource(template=TEMPLATE)
            await create_stack(control, caller, CreateRequest(name="s", source=source))
            stack = await settled(control, "s")
            assert (await unmanaged(control, caller.project_id, "local")).objects == ()
            left = await abandon_stack(control, caller, stack)
            wanted = GenerateRequest(stack_name="t", cloud="local", everything=True)
            _, _, made = await adopt_objects(control, caller, wanted)
            taken = await settled(control, "t")
            assert sorted(
                each["resource_id"] for each in made.document["resources"].values()
            ) == sorted(each["resource_id"] for each in left["resources"].values())
            assert (await unmanaged(control, caller.project_id, "local")).objects == ()
            again = UpdateRequest(existing=True)
            assert (await preview_update(control, caller, taken, again)).plan.steps == ()
            await look(control, caller.project_id, "local")
            assert (await list_drift(control, taken))[0] == []
            await delete_stack(control, caller, taken)
            while await control.database.read(operation_rows.live):
                await asyncio.sleep(0.05)
            assert (await unmanaged(control, caller.project_id, "local")).objects == ()
        finally:
            await engine.close()
            await one_world.cloud.stop()
            database.close()

    asyncio.run(story())
    assert one_world.processes() == []
