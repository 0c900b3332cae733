"""Drift is found in bulk, told with its age, and ignored, kept in view or corrected."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.ports import Missing
from mantle.model.drift import GONE, DriftPolicy
from mantle.model.errors import NotFound
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.drift import Observer, correct_drift, list_drift, look, set_drift_policy
from mantle.stacks.queries import EventQuery, find_stack, list_events, list_resources
from mantle.stacks.update import UpdateRequest, preview_update

pytestmark = pytest.mark.proves("beyond: drift")

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net, properties: {name: inner}}
  subnet:
    type: OS::Neutron::Subnet
    properties:
      network: {get_resource: net}
      cidr: 10.1.0.0/24
      allocation_pools: [{start: 10.1.0.10, end: 10.1.0.99}]
      host_routes: [{destination: 10.9.0.0/16, nexthop: 10.1.0.3}]
  port: {type: OS::Neutron::Port, properties: {network: {get_resource: net}}}
  group: {type: OS::Neutron::SecurityGroup, properties: {rules: [{protocol: tcp}]}}
  server:
    type: OS::Nova::Server
    depends_on: subnet
    properties: {flavor: m1.small, image: cirros, networks: [{port: {get_resource: port}}]}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  attachment:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: server}, volume_id: {get_resource: volume}}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  key: {type: OS::Nova::KeyPair, properties: {name: k, public_key: ssh-ed25519 AAAA}}
  members:
    type: OS::Heat::ResourceGroup
    properties:
      count: 5
      resource_def: {type: OS::Neutron::Net, properties: {name: member-%index%}}
"""


EVERYTHING = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet:
    type: OS::Neutron::Subnet
    properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}
  router:
    type: OS::Neutron::Router
    properties: {external_gateway_info: {network: public}}
  interface:
    type: OS::Neutron::RouterInterface
    properties: {router: {get_resource: router}, subnet: {get_resource: subnet}}
  port: &port
    type: OS::Neutron::Port
    depends_on: interface
    properties:
      network: {get_resource: net}
      fixed_ips: [{subnet: {get_resource: subnet}}]
  other: *port
  floating:
    type: OS::Neutron::FloatingIP
    depends_on: interface
    properties: {floating_network: public, port_id: {get_resource: other}}
  lent:
    type: OS::Neutron::FloatingIP
    depends_on: interface
    properties: {floating_network: public}
  association:
    type: OS::Neutron::FloatingIPAssociation
    properties: {floatingip_id: {get_resource: lent}, port_id: {get_resource: port}}
  server:
    type: OS::Nova::Server
    properties: {flavor: m1.small, image: cirros, networks: [{port: {get_resource: port}}]}
  second:
    type: OS::Nova::Server
    depends_on: subnet
    properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  attachment:
    type: OS::Cinder::VolumeAttachment
    properties: {instance_uuid: {get_resource: server}, volume_id: {get_resource: volume}}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  listener:
    type: OS::Octavia::Listener
    properties: {loadbalancer: {get_resource: balancer}, protocol: HTTP, protocol_port: 80}
  pool:
    type: OS::Octavia::Pool
    properties: {listener: {get_resource: listener}, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
  monitor:
    type: OS::Octavia::HealthMonitor
    properties: {pool: {get_resource: pool}, type: HTTP, delay: 1, timeout: 1, max_retries: 2}
  member:
    type: OS::Octavia::PoolMember
    properties: {pool: {get_resource: pool}, address: 10.1.0.5, protocol_port: 80}
"""


async def made(control, template=TEMPLATE):
    request = CreateRequest(name="s", source=TemplateSource(template=template))
    await create_stack(control, CALLER, request)
    stack = await settled(control)
    assert stack.state == "CREATE_COMPLETE", stack.reason
    return stack


async def settled(control):
    await quiet(control)
    return await find_stack(control, CALLER.project_id, "s")


async def rows(control, stack):
    return {view.record.name: view.record for view in await list_resources(control, stack, 1)}


async def renamed(control, stack, name="by hand"):
    """Somebody changes the network beside Mantle."""
    session = control.machine.session(stack)
    net = (await rows(control, stack))["net"].physical_id
    spec = (await session.networks.get(net)).spec
    import dataclasses

    await session.networks.update(net, dataclasses.replace(spec, name=name))
    return net


def told(story):
    plant = Plant()
    assert plant.life(story)
    return plant


async def drift(control, stack):
    found, _ = await list_drift(control, stack)
    return [(each.difference.resource, each.difference.path) for each in found]


@pytest.mark.parametrize("template", [TEMPLATE, EVERYTHING], ids=["usual", "everything"])
def test_what_was_just_made_does_not_drift(template):
    """Of every type; one list call for each, whatever the number of resources."""

    async def story(control):
        stack = await made(control, template)
        seen = await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []
        for child in (view.nested_stack for view in await list_resources(control, stack)):
            if child is not None:
                assert await drift(control, child) == []
        types = {row.resolved_type for row in (await rows(control, stack)).values()}
        assert seen.calls <= len(types)
        assert seen.objects >= 12

    told(story)


def test_a_change_by_hand_is_told_once_and_seen_to_end():
    """With what was left, what is, and since when; the event comes with the first sight only."""

    async def story(control):
        stack = await made(control)
        await renamed(control, stack)
        await look(control, stack.project_id, stack.cloud)
        await asyncio.sleep(100)
        await look(control, stack.project_id, stack.cloud)
        (finding,), seen = await list_drift(control, stack)
        assert (finding.difference.resource, finding.difference.path) == ("net", "name")
        assert (finding.difference.expected, finding.difference.actual) == ("inner", "by hand")
        assert finding.last_seen - finding.first_seen >= 100
        assert seen.looked_at == finding.last_seen
        events = await list_events(control, stack, EventQuery(resource="net"))
        assert len([v for v in events if v.event.reason.startswith("Drift:")]) == 1
        await renamed(control, stack, "inner")
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []
        (past,), _ = await list_drift(control, stack, ended=True)
        assert past.ending == "gone"

    told(story)


@pytest.mark.parametrize("how", ["by hand", "by policy"])
def test_drift_is_corrected_by_an_ordinary_update(how):
    """In place where the object is there; made anew where it is gone; also inside a group."""

    async def story(control):
        stack = await made(control)
        net = await renamed(control, stack)
        session = control.machine.session(stack)
        await session.key_pairs.delete("k")
        inside = (await rows(control, stack))["3"].physical_id
        await session.networks.delete(inside)
        await asyncio.sleep(5)
        child = next(v.nested_stack for v in await list_resources(control, stack) if v.nested_stack)
        if how == "by policy":
            await set_drift_policy(control, stack, DriftPolicy.CORRECT)
            await set_drift_policy(control, child, DriftPolicy.CORRECT)
        await look(control, stack.project_id, stack.cloud)
        if how == "by hand":
            below = [("3", GONE)]
            assert await drift(control, child) == below
            here = [("key", GONE), ("net", "name")]
            assert sorted(await drift(control, stack)) == sorted(below + here)
            await correct_drift(control, CALLER, stack)
        stack = await settled(control)
        if how == "by policy":
            await look(control, stack.project_id, stack.cloud)
            stack = await settled(control)
        assert stack.state == "UPDATE_COMPLETE", stack.reason
        assert (await session.networks.get(net)).name == "inner"
        assert (await session.key_pairs.get("k")).name == "k"
        with pytest.raises(Missing):
            await session.networks.get(inside)
        assert len([n for n in await session.networks.list() if n.name.startswith("member")]) == 5
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []
        same = await preview_update(control, CALLER, stack, UpdateRequest(template=TEMPLATE))
        assert same.plan.is_empty

    told(story)


def test_ignored_drift_is_neither_told_nor_touched():
    """Of one resource; the others go on being told."""

    async def story(control):
        stack = await made(control)
        await set_drift_policy(control, stack, DriftPolicy.IGNORE, "net")
        await renamed(control, stack)
        await look(control, stack.project_id, stack.cloud)
        assert await drift(control, stack) == []
        with pytest.raises(NotFound):
            await set_drift_policy(control, stack, DriftPolicy.IGNORE, "nothing")
        assert await correct_drift(control, CALLER, stack) is None

    told(story)


def test_correction_does_not_fight():
    """What comes back at once is corrected three times in an hour, then only told."""

    async def story(control):
        stack = await made(control)
        await set_drift_policy(control, stack, DriftPolicy.CORRECT)
        for _ in range(6):
            await renamed(control, stack)
            await look(control, stack.project_id, stack.cloud)
            await quiet(control)
            await asyncio.sleep(60)
        findings, _ = await list_drift(control, stack, ended=True)
        assert len([each for each in findings if each.ending == "corrected"]) == 3
        assert await drift(control, stack) == [("net", "name")]

    told(story)


def test_of_several_engines_one_looks():
    """The second finds the look taken; a later one is due again."""

    async def story(control):
        stack = await made(control)
        first, second = Observer(control), Observer(control)
        await first.turn()
        _, seen = await list_drift(control, stack)
        await asyncio.sleep(5)
        await second.turn()
        assert (await list_drift(control, stack))[1] == seen
        await asyncio.sleep(control.settings.drift_seconds)
        await second.turn()
        assert (await list_drift(control, stack))[1].looked_at > seen.looked_at

    told(story)
