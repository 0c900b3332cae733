"""Objects that are there become a stack with a template of their own, and nothing changes."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from power import CALLER, Plant, quiet

from mantle.clouds.plain import KINDS
from mantle.clouds.ports import (
    NetworkSpec,
    PoolSpec,
    Power,
    SecurityGroupSpec,
    SecurityRule,
    ServerSpec,
    SubnetSpec,
    VolumeSpec,
)
from mantle.model.errors import Conflict, Invalid, MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.ids import ProjectId, Token
from mantle.model.plan import StepKind
from mantle.resources.registry import default_registry
from mantle.stacks.adopt import abandon_stack
from mantle.stacks.create import CreateRequest, create_stack
from mantle.stacks.delete import delete_stack
from mantle.stacks.drift import list_drift, look
from mantle.stacks.generate import GenerateRequest, adopt_objects, generate
from mantle.stacks.queries import find_stack, list_resources
from mantle.stacks.unmanaged import unmanaged
from mantle.stacks.update import UpdateRequest, preview_update, update_stack

pytestmark = pytest.mark.proves("beyond: adopt into a generated template")

HEAD = "heat_template_version: 2018-08-31\nresources:\n"
ALL = {
    "key": "{type: OS::Nova::KeyPair, properties: {name: key, public_key: ssh-rsa AAAA}}",
    "apart": "{type: OS::Nova::ServerGroup, properties: {name: apart,"
    " rules: {max_server_per_host: 2}}}",
    "net": "{type: OS::Neutron::Net, properties: {name: n, tags: [a, b]}}",
    "plain": "{type: OS::Neutron::Net, properties: {value_specs: {mtu: 1400}}}",
    "subnet": "{type: OS::Neutron::Subnet, properties: {network: {get_resource: net},"
    " cidr: 10.1.0.0/24, gateway_ip: 10.1.0.9, dns_nameservers: [10.1.0.2],"
    " allocation_pools: [{start: 10.1.0.20, end: 10.1.0.90}]}}",
    "bare": "{type: OS::Neutron::Subnet, properties: {network: {get_resource: plain},"
    " cidr: 10.2.0.0/24, gateway_ip: ''}}",
    "group": "{type: OS::Neutron::SecurityGroup, properties: {description: d, rules: ["
    "{protocol: tcp, port_range_min: 80, port_range_max: 90},"
    "{remote_mode: remote_group_id, protocol: icmp},"
    "{direction: egress, remote_ip_prefix: 10.0.0.0/8}]}}",
    "port": "{type: OS::Neutron::Port, depends_on: subnet, properties: {network:"
    " {get_resource: net}, security_groups: [{get_resource: group}],"
    " fixed_ips: [{subnet: {get_resource: subnet}, ip_address: 10.1.0.33}]}}",
    "router": "{type: OS::Neutron::Router, properties: {external_gateway_info:"
    " {network: public, enable_snat: false}}}",
    "interface": "{type: OS::Neutron::RouterInterface, properties: {router:"
    " {get_resource: router}, subnet: {get_resource: subnet}}}",
    "address": "{type: OS::Neutron::FloatingIP, properties: {floating_network: public}}",
    "joined": "{type: OS::Neutron::FloatingIPAssociation, properties: {floatingip_id:"
    " {get_resource: address}, port_id: {get_resource: port}}}",
    "leads": "{type: OS::Neutron::FloatingIP, properties: {floating_network: public,"
    " port_id: {get_resource: port}}}",
    "volume": "{type: OS::Cinder::Volume, properties: {size: 3, description: x, metadata: {a: b}}}",
    "disk": "{type: OS::Cinder::Volume, properties: {name: d, size: 5}}",
    "server": "{type: OS::Nova::Server, properties: {flavor: m1.small, image: cirros,"
    " key_name: {get_resource: key}, networks: [{port: {get_resource: port}}],"
    " metadata: {role: web}, tags: [t]}}",
    "other": "{type: OS::Nova::Server, depends_on: subnet, properties: {flavor: m1.tiny,"
    " image: cirros, networks: [{network: {get_resource: net}}], user_data: '#!/bin/sh',"
    " scheduler_hints: {group: {get_resource: apart}}}}",
    "booted": "{type: OS::Nova::Server, depends_on: bare, properties: {flavor: m1.tiny,"
    " networks: [{network: {get_resource: plain}}],"
    " block_device_mapping_v2: [{volume_id: {get_resource: disk}, device_name: vda}]}}",
    "attached": "{type: OS::Cinder::VolumeAttachment, properties: {instance_uuid:"
    " {get_resource: server}, volume_id: {get_resource: volume}, mountpoint: /dev/vdc}}",
    "balancer": "{type: OS::Octavia::LoadBalancer, properties: {vip_subnet:"
    " {get_resource: subnet}, description: lb}}",
    "listener": "{type: OS::Octavia::Listener, properties: {loadbalancer:"
    " {get_resource: balancer}, protocol: HTTP, protocol_port: 80, allowed_cidrs: [10.0.0.0/8]}}",
    "pool": "{type: OS::Octavia::Pool, properties: {listener: {get_resource: listener},"
    " protocol: HTTP, lb_algorithm: ROUND_ROBIN,"
    " session_persistence: {type: APP_COOKIE, cookie_name: c}}}",
    "member": "{type: OS::Octavia::PoolMember, properties: {pool: {get_resource: pool},"
    " address: 10.1.0.33, protocol_port: 8080, weight: 2, subnet: {get_resource: subnet}}}",
    "monitor": "{type: OS::Octavia::HealthMonitor, properties: {pool: {get_resource: pool},"
    " type: HTTP, delay: 5, timeout: 3, max_retries: 2, url_path: /up}}",
    "tcp": "{type: OS::Octavia::Pool, properties: {loadbalancer: {get_resource: balancer},"
    " protocol: TCP, lb_algorithm: SOURCE_IP}}",
    "watch": "{type: OS::Octavia::HealthMonitor, properties: {pool: {get_resource: tcp},"
    " type: TCP, delay: 5, timeout: 3, max_retries: 2}}",
}


def needs(name):
    return {other for other in ALL if f"get_resource: {other}}}" in ALL[name]} | (
        {name_of for name_of in ("subnet", "bare") if f"depends_on: {name_of}," in ALL[name]}
    )


def closed(names):
    """With everything that they read."""
    whole = set(names)
    while True:
        more = {need for name in whole for need in needs(name)} - whole
        if not more:
            return whole
        whole |= more


def template(names):
    return HEAD + "".join(f"  {name}: {ALL[name]}\n" for name in ALL if name in names)


def told(story):
    plant = Plant()
    assert plant.life(story)
    return plant


async def settled(control, name):
    await quiet(control)
    stack = await find_stack(control, CALLER.project_id, name)
    assert stack.state.endswith("_COMPLETE"), stack.reason
    return stack


async def left_over(control, text):
    """What a stack of this template leaves when it is abandoned."""
    request = CreateRequest(name="s", source=TemplateSource(template=text))
    await create_stack(control, CALLER, request)
    stack = await settled(control, "s")
    document = await abandon_stack(control, CALLER, stack)
    return {name: each["resource_id"] for name, each in document["resources"].items()}


def wanted(*objects, **rest):
    return GenerateRequest(stack_name="taken", cloud="simulated", objects=objects, **rest)


async def everything(control, stack):
    """All objects of the project as they are, but for whose they are said to be."""
    session = control.machine.session(stack)
    return [
        each
        for name in ("servers", "networks", "subnets", "ports", "volumes", "pools", "listeners")
        for each in await getattr(session, name).list()
    ]


async def round_trip(control, text):
    await left_over(control, text)
    made = await generate(control, CALLER, wanted(everything=True))
    assert {step.kind for step in made.plan.steps} == {StepKind.ADOPT}
    before = await everything(control, made.stack)
    await adopt_objects(control, CALLER, wanted(everything=True), made.digest)
    taken = await settled(control, "taken")
    assert await everything(control, taken) == before
    same = UpdateRequest(existing=True)
    assert (await preview_update(control, CALLER, taken, same)).plan.steps == ()
    assert (await unmanaged(control, CALLER.project_id, "simulated")).objects == ()
    await look(control, CALLER.project_id, "simulated")
    assert (await list_drift(control, taken))[0] == []
    return taken


def test_every_type_with_objects_can_be_read_back():
    """A type that is added later without its way back is found here."""
    types = default_registry().types
    mute = {
        name
        for name, kind in types.items()
        if kind.live and kind.inverse is None and not kind.twin_of
    }
    assert mute == set()


def test_every_type_goes_there_and_back():
    """The plan is empty, nothing drifts, and deleting the new stack deletes the objects.

    Those that are plain objects have stories of their own (`test_scenarios_plain_objects.py`).
    """
    plain = {each for kind in KINDS.values() for each in kind.types}

    async def story(control):
        taken = await round_trip(control, template(closed(ALL) - {"leads"}))
        types = {view.record.type for view in await list_resources(control, taken)}
        readable = {name for name, kind in control.registry.types.items() if kind.inverse}
        assert types == readable - plain
        await delete_stack(control, CALLER, taken)
        await quiet(control)

    assert told(story).problems(None) == []


@given(names=st.sets(st.sampled_from(sorted(set(ALL) - {"joined"})), min_size=1, max_size=5))
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_stack_leaves_is_taken_over_unchanged(names):
    """Any part of a template, with what it reads."""

    async def story(control):
        taken = await round_trip(control, template(closed(names)))
        await delete_stack(control, CALLER, taken)
        await quiet(control)

    assert told(story).problems(None) == []


def test_ids_of_what_is_taken_over_together_become_references():
    """What is not taken over keeps its id; names are the objects' own."""

    async def story(control):
        ids = await left_over(control, template(closed({"port"})))
        made = await generate(
            control,
            CALLER,
            wanted(("OS::Neutron::Net", ids["net"]), ("OS::Neutron::Subnet", ids["subnet"])),
        )
        assert "network:\n        get_resource: n\n" in made.template
        alone = await generate(control, CALLER, wanted(("OS::Neutron::Subnet", ids["subnet"])))
        assert f"network: {ids['net']}\n" in alone.template

    told(story)


def test_what_cannot_be_read_is_said_by_name_and_may_be_given():
    """Never guessed: a boot script is not told even where a fake cloud knows it."""

    async def story(control):
        ids = await left_over(control, template(closed({"other"})))
        server = ("OS::Nova::Server", ids["other"])
        made = await generate(control, CALLER, wanted(server))
        (name,) = made.document["resources"]
        assert [(each[0], each[1]) for each in made.unreadable] == [
            (name, "user_data"),
            (name, "admin_pass"),
        ]
        assert "/bin/sh" not in made.template
        script = {name: {"user_data": "#!/bin/sh"}}
        given = await generate(control, CALLER, wanted(server, given=script))
        assert [each[1] for each in given.unreadable] == ["admin_pass"]
        assert "/bin/sh" in given.template
        with pytest.raises(MantleError, match="read from the object"):
            await generate(control, CALLER, wanted(server, given={name: {"flavor": "m1.large"}}))
        with pytest.raises(MantleError, match="not taken over"):
            await generate(control, CALLER, wanted(server, given={"none": {}}))

    told(story)


def test_an_update_afterwards_changes_what_it_says_and_nothing_else():
    """Names, boot scripts and sources of what was taken over stay as they are."""

    async def story(control):
        ids = await left_over(control, template(closed({"other", "volume"})))
        objects = [
            (kind, ids[name])
            for kind, name in (("OS::Nova::Server", "other"), ("OS::Cinder::Volume", "volume"))
        ]
        stack, _, made = await adopt_objects(control, CALLER, wanted(*objects))
        await settled(control, "taken")
        session = control.machine.session(stack)
        server, volume = (
            await session.servers.get(ids["other"]),
            await session.volumes.get(ids["volume"]),
        )
        changed = made.template.replace("m1.tiny", "m1.small").replace("size: 3", "size: 4")
        await update_stack(control, CALLER, stack, UpdateRequest(template=changed))
        await settled(control, "taken")
        after = await session.servers.get(ids["other"])
        assert after.spec == replace(server.spec, flavor="m1.small")
        assert (await session.volumes.get(ids["volume"])).spec == replace(volume.spec, size_gib=4)

    told(story)


def test_what_changes_after_it_was_shown_is_not_taken_over():
    """Nor what another stack takes meanwhile."""

    async def story(control):
        ids = await left_over(control, template({"net"}))
        net = ("OS::Neutron::Net", ids["net"])
        made = await generate(control, CALLER, wanted(net))
        session = control.machine.session(made.stack)
        live = await session.networks.get(ids["net"])
        await session.networks.update(live.id, replace(live.spec, name="other"))
        with pytest.raises(Conflict, match="have changed"):
            await adopt_objects(control, CALLER, wanted(net), made.digest)
        await adopt_objects(control, CALLER, wanted(net))
        await settled(control, "taken")
        with pytest.raises(Conflict, match="belongs to resource"):
            await generate(control, CALLER, replace(wanted(net), stack_name="second"))

    told(story)


def test_what_a_template_cannot_say_is_refused_by_name():
    """Missing, foreign, broken, of no such type: each by itself, nothing is stored."""

    async def story(control):
        session = control.cloud.session(CALLER.project_id)
        foreign = control.cloud.session(ProjectId("another"))
        theirs = await foreign.networks.create(NetworkSpec(name="x"), Token("t1"))
        net = await session.networks.create(NetworkSpec(name="a b/c"), Token("t2"))
        subnet = SubnetSpec(name="s", network_id=net.id, cidr="10.3.0.0/24")
        await session.subnets.create(subnet, Token("t3"))
        kind = "OS::Neutron::Net"
        with pytest.raises(Invalid, match="There is no") as caught:
            await generate(control, CALLER, wanted((kind, theirs.id), (kind, "none"), ("X", "y")))
        assert len(caught.value.problems) == 3
        strange = await session.volumes.create(
            VolumeSpec(name="v", size_gib=1, metadata={"get_file": "x"}), Token("t4")
        )
        with pytest.raises(Invalid):
            await generate(control, CALLER, wanted(("OS::Cinder::Volume", strange.id)))
        server = await session.servers.create(
            ServerSpec(name="w", flavor="m1.tiny", image="cirros"), Token("t5")
        )
        with pytest.raises(Invalid, match="BUILDING"):
            await generate(control, CALLER, wanted(("OS::Nova::Server", server.id)))
        with pytest.raises(MantleError, match="No object"):
            await generate(control, CALLER, wanted())
        with pytest.raises(MantleError, match="not both"):
            await generate(control, CALLER, wanted((kind, net.id), everything=True))
        with pytest.raises(NotFound, match="nothing to take over"):
            await generate(control, CALLER, wanted(everything=True, pattern="zzz*"))
        made = await generate(control, CALLER, wanted(everything=True, pattern="[a s]*"))
        assert sorted(made.document["resources"]) == ["a_b_c", "s"]
        with pytest.raises(NotFound):
            await find_stack(control, CALLER.project_id, "taken")

    told(story)


def test_everything_leaves_out_what_is_not_well_and_says_why():
    """And what the cloud made on the way, which goes with what it was made for."""

    async def story(control):
        session = control.cloud.session(CALLER.project_id)
        net = await session.networks.create(NetworkSpec(name="n"), Token("t1"))
        server = await session.servers.create(
            ServerSpec(name="w", flavor="m1.tiny", image="cirros"), Token("t2")
        )
        await session.volumes.create(VolumeSpec(name="boot", size_gib=1), Token("t2/disk-0"))
        group = SecurityGroupSpec(name="g", rules=(SecurityRule(protocol="tcp"),))
        await session.security_groups.create(group, Token("t3"))
        import asyncio

        await asyncio.sleep(10)
        await session.servers.power(server.id, Power.OFF)
        made = await generate(control, CALLER, wanted(everything=True))
        assert sorted(made.document["resources"]) == ["g", "n"]
        assert {kind: why.split(",")[0] for kind, _, why in made.left_out} == {
            "OS::Nova::Server": "it is STOPPED",
            "OS::Cinder::Volume": "the cloud made it for another object",
        }
        kept = await generate(control, CALLER, wanted(("OS::Neutron::Net", net.id), retain=True))
        assert "deletion_policy: Retain" in kept.template

    told(story)


def test_what_has_no_name_gets_none():
    """Neither in the template, nor by an update later."""

    async def story(control):
        session = control.cloud.session(CALLER.project_id)
        net = await session.networks.create(NetworkSpec(name=""), Token("t1"))
        stack, _, made = await adopt_objects(control, CALLER, wanted(("OS::Neutron::Net", net.id)))
        await settled(control, "taken")
        assert "name:" not in made.template
        changed = made.template.replace("properties: {}", "properties: {tags: [new]}")
        await update_stack(control, CALLER, stack, UpdateRequest(template=changed))
        await settled(control, "taken")
        assert (await session.networks.get(net.id)).spec == NetworkSpec(name="", tags=("new",))

    told(story)


def test_a_listeners_pool_is_written_once():
    """Clouds tell it on both ends; in a template that would be a circle."""

    async def story(control):
        ids = await left_over(control, template(closed({"pool"})))
        session = control.cloud.session(CALLER.project_id)
        listener = await session.listeners.get(ids["listener"])
        await session.listeners.update(
            listener.id, replace(listener.spec, default_pool_id=ids["pool"])
        )
        made = await generate(control, CALLER, wanted(everything=True))
        assert "default_pool" not in made.template
        assert PoolSpec

    told(story)
