"""Plain objects (`clouds/plain.py`) beyond their lives: taken over as they are, and their drift."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.plain import CLOUDWIDE, KINDS
from mantle.clouds.ports import PlainSpec
from mantle.model.errors import Conflict, Forbidden
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, Token
from mantle.model.plan import StepKind
from mantle.resources.registry import default_registry
from mantle.stacks.adopt import abandon_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.drift import correct_drift, list_drift, look
from mantle.stacks.generate import GenerateRequest, adopt_objects, generate
from mantle.stacks.queries import find_stack
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update

ADMIN = replace(CALLER, roles=frozenset({"member", "admin"}))
HEAD = "heat_template_version: 2018-08-31\nresources:\n"

PROJECTS_OWN = """
  net: {type: OS::Neutron::Net, properties: {name: lan}}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}}
  port: {type: OS::Neutron::Port, depends_on: subnet, properties: {network: {get_resource: net}}}
  inner: {type: OS::Neutron::Port, depends_on: subnet, properties: {network: {get_resource: net}}}
  group: {type: OS::Neutron::SecurityGroup, properties: {name: g}}
  address: {type: OS::Neutron::FloatingIP, properties: {floating_network: public}}
  scope: {type: OS::Neutron::AddressScope, properties: {name: inside}}
  pool: {type: OS::Neutron::SubnetPool, properties: {name: pl, prefixes: [10.8.0.0/16],
    address_scope: {get_resource: scope}, default_prefixlen: 24, tags: [a]}}
  may: {type: OS::Neutron::RBACPolicy, properties: {object_type: network,
    object_id: {get_resource: net}, action: access_as_shared, target_tenant: p2}}
  trunk: {type: OS::Neutron::Trunk, properties: {name: t, port: {get_resource: port}, sub_ports:
    [{port: {get_resource: inner}, segmentation_type: vlan, segmentation_id: 100}]}}
  label: {type: OS::Neutron::MeteringLabel, properties: {name: l, description: all}}
  counted: {type: OS::Neutron::MeteringRule, properties: {metering_label_id: {get_resource: label},
    remote_ip_prefix: 10.0.0.0/8}}
  rule: {type: OS::Neutron::SecurityGroupRule, properties: {security_group: {get_resource: group},
    port_range_min: 22, port_range_max: 23}}
  any: {type: OS::Neutron::SecurityGroupRule, properties: {security_group: {get_resource: group},
    direction: egress, protocol: '0'}}
  forward: {type: OS::Neutron::FloatingIPPortForward, properties: {floating_ip:
    {get_resource: address}, internal_port: {get_resource: port}, internal_ip_address: 10.1.0.2,
    internal_port_number: 80, external_port: 8080, protocol: tcp}}
  balancer: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  ear: {type: OS::Octavia::Listener, properties: {loadbalancer: {get_resource: balancer},
    protocol: HTTP, protocol_port: 80}}
  l7: {type: OS::Octavia::L7Policy, properties: {listener: {get_resource: ear},
    action: REDIRECT_TO_URL, redirect_url: 'http://e'}}
  when: {type: OS::Octavia::L7Rule, properties: {l7policy: {get_resource: l7}, type: PATH,
    compare_type: STARTS_WITH, value: /a}}
  image: {type: OS::Glance::WebImage, properties: {name: i, disk_format: raw, container_format:
    bare,
    location: 'http://images/one', tags: [x]}}
"""
THE_CLOUDS = """
  net: {type: OS::Neutron::Net}
  policy: {type: OS::Neutron::QoSPolicy, properties: {name: gold, description: fast}}
  most: {type: OS::Neutron::QoSBandwidthLimitRule, properties: {policy: {get_resource: policy},
    max_kbps: 1000, direction: ingress}}
  mark: {type: OS::Neutron::QoSDscpMarkingRule, properties: {policy: {get_resource: policy},
    dscp_mark: 10}}
  least: {type: OS::Neutron::QoSMinimumBandwidthRule, properties: {policy: {get_resource: policy},
    min_kbps: 10}}
  packets: {type: OS::Neutron::QoSMinimumPacketRateRule, properties: {min_kpps: 10,
    policy: {get_resource: policy}}}
  segment: {type: OS::Neutron::Segment, properties: {network: {get_resource: net},
    network_type: vxlan}}
  domain: {type: OS::Keystone::Domain, properties: {name: d}}
  project: {type: OS::Keystone::Project, properties: {name: pr, domain: {get_resource: domain},
    tags: [t]}}
  role: {type: OS::Keystone::Role, properties: {name: r}}
  people: {type: OS::Keystone::Group, properties: {name: g}}
  user: {type: OS::Keystone::User, properties: {name: u, password: hidden, email: u@example.org,
    default_project: {get_resource: project}}}
  region: {type: OS::Keystone::Region, properties: {id: north, description: far}}
  service: {type: OS::Keystone::Service, properties: {name: s, type: dns}}
  endpoint: {type: OS::Keystone::Endpoint, properties: {name: e, service: {get_resource: service},
    region: {get_resource: region}, interface: public, url: 'http://dns'}}
  flavor: {type: OS::Nova::Flavor, properties: {name: f, ram: 64, vcpus: 1, is_public: false,
    extra_specs: {a: b}}}
  hosts: {type: OS::Nova::HostAggregate, properties: {name: h, hosts: [simulated-1],
    metadata: {ssd: yes}}}
  type: {type: OS::Cinder::VolumeType, properties: {name: fast, metadata: {a: b}}}
  specs: {type: OS::Cinder::QoSSpecs, properties: {name: q, specs: {total_iops_sec: '5'}}}
  told: {type: OS::Octavia::FlavorProfile, properties: {name: fp, flavor_data: '{}',
    provider_name: amphora}}
  small: {type: OS::Octavia::Flavor, properties: {name: sm, flavor_profile: {get_resource: told}}}
  zones: {type: OS::Octavia::AvailabilityZoneProfile, properties: {name: zp,
    availability_zone_data: '{}', provider_name: amphora}}
  zone: {type: OS::Octavia::AvailabilityZone, properties: {name: z,
    availability_zone_profile: {get_resource: zones}}}
"""
STORIES = {"a project's": PROJECTS_OWN, "the cloud's": THE_CLOUDS}


def told(story):
    plant = Plant()
    assert plant.life(story)
    return plant


async def made(control, text, name="s", caller=ADMIN):
    source = TemplateSource(template=HEAD + text)
    await create_stack(control, caller, CreateRequest(name=name, source=source))
    return await settled(control, name, caller)


async def settled(control, name, caller=ADMIN):
    await quiet(control)
    stack = await find_stack(control, caller.project_id, name)
    assert stack.state.endswith("_COMPLETE"), stack.reason
    return stack


async def left_over(control, text):
    """(type, id) of what a stack leaves when it is abandoned."""
    stack = await made(control, text)
    document = await abandon_stack(control, ADMIN, stack)
    return [(each["type"], each["resource_id"]) for each in document["resources"].values()]


def taking(*objects):
    return GenerateRequest(stack_name="taken", cloud="simulated", objects=objects)


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.proves("beyond: adopt into a generated template")
def test_plain_objects_are_taken_over_as_they_are(name):
    """Each becomes a resource with its parts; the next plan is empty, and nothing drifts."""

    async def story(control):
        objects = await left_over(control, STORIES[name])
        generated = await generate(control, ADMIN, taking(*objects))
        assert {step.kind for step in generated.plan.steps} == {StepKind.ADOPT}
        await adopt_objects(control, ADMIN, taking(*objects), generated.digest)
        taken = await settled(control, "taken")
        same = UpdateRequest(existing=True)
        assert (await preview_update(control, ADMIN, taken, same)).plan.steps == ()
        await look(control, ADMIN.project_id, "simulated")
        assert (await list_drift(control, taken))[0] == []
        assert "hidden" not in generated.template
        if name == "the cloud's":
            assert "total_iops_sec: '5'" in generated.template
            assert "- simulated-1\n" in generated.template

    told(story)


def test_the_stories_have_every_plain_type():
    """None is without its way back."""
    texts = "".join(STORIES.values())
    types = {each for kind in KINDS.values() for each in kind.types}
    assert {each for each in types if f"type: {each}," not in texts} == set()
    assert {each for each in types if default_registry().types[each].inverse is None} == set()


@pytest.mark.proves("beyond: drift")
def test_fields_and_parts_that_were_changed_beside_mantle_are_told_and_corrected():
    """By the names that a property or the service has for them."""

    async def story(control):
        stack = await made(control, THE_CLOUDS)
        session = control.machine.session(stack)
        rules = session.plain("bandwidth_limit_rules")
        (rule,) = await rules.list()
        slow = replace(rule.spec, fields={**rule.spec.fields, "max_kbps": 1})
        await rules.update(rule.id, slow)
        (flavor,) = await session.plain("flavors").list()
        await session.settings("flavor_specs").put(flavor.id, {"a": "c"}, {"a": "b"})
        (hosts,) = await session.plain("host_aggregates").list()
        await session.settings("aggregate_hosts").drop(hosts.id, {"simulated-1": True})
        await look(control, ADMIN.project_id, "simulated")
        found = {
            (each.difference.resource, each.difference.path): each.difference.actual
            for each in (await list_drift(control, stack))[0]
        }
        assert found == {
            ("most", "max_kbps"): 1,
            ("flavor", "extra_specs"): {"a": "c"},
            ("hosts", "hosts"): [],
        }
        await correct_drift(control, ADMIN, stack)
        await settled(control, "s")
        assert (await rules.get(rule.id)).spec.fields["max_kbps"] == 1000
        assert (await session.plain("flavors").get(flavor.id)).told["extra_specs"] == {"a": "b"}
        assert (await session.plain("host_aggregates").get(hosts.id)).told["hosts"] == [
            "simulated-1"
        ]
        await look(control, ADMIN.project_id, "simulated")
        assert (await list_drift(control, stack))[0] == []

    told(story)


def test_what_is_the_clouds_is_no_members_to_take_over():
    """Nor to read: the log-in that would read it may see more than they."""

    async def story(control):
        session = control.cloud.session(CALLER.project_id)
        user = await session.plain("users").create(PlainSpec(name="boss"), Token("t1"))
        with pytest.raises(Forbidden, match="the cloud's"):
            await generate(control, CALLER, taking(("OS::Keystone::User", user.id)))
        with pytest.raises(Forbidden, match="the cloud's"):
            await generate(control, CALLER, taking(("OS::Keystone::User", "no-such-user")))

    told(story)


def test_what_another_projects_stack_made_of_the_clouds_is_not_left_over():
    """Everybody's flavors are listed for all projects; whose they are is asked of all rows."""

    async def story(control):
        await made(control, "  f: {type: OS::Nova::Flavor, properties: {ram: 64, vcpus: 1}}\n")
        other = replace(ADMIN, project_id=ProjectId("p2"), project_name="others")
        world = control.cloud.world
        # Flavors are everybody's on a real cloud; the simulated one keeps them by project.
        world.shelf(other.project_id, "flavors").update(world.shelf(ADMIN.project_id, "flavors"))
        found = await unmanaged(control, other.project_id, "simulated")
        assert [each for each in found.objects if each.type in CLOUDWIDE] == []
        (flavor,) = await control.cloud.session(other.project_id).plain("flavors").list()
        wanted = taking(("OS::Nova::Flavor", flavor.id))
        with pytest.raises(Conflict, match="another project"):
            await generate(control, other, wanted)

    told(story)
