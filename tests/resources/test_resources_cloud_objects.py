"""The engine behind every single-object type: nothing doubled, nothing left, whatever is lost."""

import asyncio

import pytest
from msgspec import structs

from mantle.clouds.ports import NetworkSpec, ObjectStatus, PoolSpec, Refused, SubnetSpec, VolumeSpec
from mantle.resources.kit import Done, Failed, Wait
from mantle.resources.registry import default_registry

NET = {"network": "lan"}
CASES = {
    "OS::Nova::Server": ("servers", {"flavor": "small", "image": "base"}),
    "OS::Nova::ServerGroup": ("server_groups", {"policies": ["affinity"]}),
    "OS::Nova::FloatingIP": ("floating_ips", {"pool": "public"}),
    "OS::Nova::KeyPair": ("key_pairs", {"name": "k", "public_key": "ssh-x"}),
    "OS::Neutron::Net": ("networks", {"name": "n"}),
    "OS::Neutron::Subnet": ("subnets", {**NET, "cidr": "10.0.0.0/24"}),
    "OS::Neutron::Port": ("ports", {**NET, "fixed_ips": [{"subnet": "lan-subnet"}]}),
    "OS::Neutron::Router": ("routers", {"external_gateway_info": {"network": "lan"}}),
    "OS::Neutron::SecurityGroup": (
        "security_groups",
        {"rules": [{"protocol": "tcp"}, {"remote_mode": "remote_group_id"}]},
    ),
    "OS::Neutron::FloatingIP": ("floating_ips", {"floating_network": "public"}),
    "OS::Cinder::Volume": ("volumes", {"size": 2}),
    "OS::Octavia::LoadBalancer": ("load_balancers", {"vip_subnet": "lan-subnet"}),
    "OS::Octavia::PoolMember": (
        "members",
        {"pool": "web", "address": "10.0.0.5", "protocol_port": 80},
    ),
    "OS::Octavia::HealthMonitor": (
        "health_monitors",
        {"pool": "web", "delay": 5, "timeout": 2, "max_retries": 2, "type": "HTTP"},
    ),
}


@pytest.fixture(params=CASES)
def case(request, row, made, cloud):
    """(row, its shelf) for every type that stands alone."""
    lan = made("networks", NetworkSpec(name="lan"))
    made("subnets", SubnetSpec(name="lan-subnet", network_id=lan, cidr="10.0.0.0/24"))
    made("pools", PoolSpec(name="web", protocol="HTTP", algorithm="ROUND_ROBIN"))
    shelf, properties = CASES[request.param]
    return row(request.param, properties), getattr(cloud, shelf)


def test_create_makes_one_object_and_waits_until_it_is_active(case):
    """The physical id is the object's, and one object is there."""
    row, shelf = case
    before = len(shelf.objects)
    outcome = row.create()
    assert isinstance(outcome, Done), outcome
    assert len(shelf.objects) == before + 1
    assert shelf.objects[row.ref.physical_id].token == row.ref.token


def test_a_create_whose_every_answer_is_lost_once_makes_one_object(case):
    """Each call is made twice and the first answer thrown away: still one object."""
    row, shelf = case
    before = len(shelf.objects)
    outcome = row.create(stutter=True)
    assert isinstance(outcome, Done), outcome
    assert len(shelf.objects) == before + 1


def test_delete_after_create_leaves_nothing(case, cloud):
    """Deleting twice over ends well too."""
    row, _ = case
    before = cloud.count()
    row.create()
    assert isinstance(row.drive("delete", stutter=True), Done)
    assert cloud.count() == before


def test_delete_without_a_physical_id_finds_the_object_by_its_token(case, cloud):
    """The process died between deed and reply: the id is unknown, the object is there."""
    row, _ = case
    before = cloud.count()
    asyncio.run(row.type.create(row.ctx(fresh=True)))
    assert cloud.count() == before + 1
    assert row.ref.physical_id is None
    assert isinstance(row.drive("delete"), Done)
    assert cloud.count() == before


def test_deleting_what_was_never_made_is_done(case):
    """Nothing by that token: success."""
    row, _ = case
    assert row.drive("delete") == Done()


def test_deleting_what_is_in_use_waits(case):
    """A clash is no failure: the next call tries again."""
    row, shelf = case
    row.create()
    shelf.in_use = 2
    assert isinstance(row.drive("delete"), Done)
    assert row.waits[0].reason.endswith("is in use: something uses it")


def test_check_tells_there_from_gone(case):
    """Check is fine after create, and fails by name when the object vanished."""
    row, shelf = case
    row.create()
    assert isinstance(row.drive("check"), Done)
    del shelf.objects[row.ref.physical_id]
    outcome = row.drive("check")
    assert isinstance(outcome, Failed)
    assert "no longer in the cloud" in outcome.reason


def test_attributes_are_those_of_the_schema(case):
    """Every attribute is answered, and `show` holds no secret."""
    row, _ = case
    row.create()
    answered = row.attributes()
    assert answered.keys() == row.type.schema.attributes.keys()
    assert not {"token", "private_key", "admin_password"} & (
        answered["show"].keys() - row.type.schema.attributes.keys()
    )


def test_an_update_is_sent_once_however_long_it_takes(row, cloud):
    """The row's data remembers that the cloud accepted it."""
    net = row("OS::Neutron::Net", {"name": "a"})
    net.create()
    shelf = cloud.networks
    first = asyncio.run(net.type.update(net.ctx(before=net.properties)))
    noted = net.ctx(before=net.properties, ref=structs.replace(net.ref, data=first.data))
    assert isinstance(asyncio.run(net.type.update(noted)), Done)
    assert shelf.calls.count("update") == 1


def test_an_object_in_error_fails_with_its_fault_and_a_remedy(row, cloud):
    """The reason quotes the cloud."""
    server = row("OS::Nova::Server", {"flavor": "small", "image": "base", "name": "web"})
    asyncio.run(server.type.create(server.ctx(fresh=True)))
    asyncio.run(cloud.servers.put("server-1", ObjectStatus.ERROR, "no valid host"))
    outcome = server.drive("create")
    assert isinstance(outcome, Failed)
    assert outcome.reason == 'server "web" is ERROR: no valid host'
    assert outcome.remedy


def test_a_wait_gives_the_physical_id_as_soon_as_it_is_known(row):
    """So that it is durable before the next call."""
    server = row("OS::Nova::Server", {"flavor": "small", "image": "base", "name": "web"})
    outcome = asyncio.run(server.type.create(server.ctx(fresh=True)))
    assert outcome == Wait(reason='server "web" is BUILDING', physical_id="server-1")


def test_a_name_that_two_objects_have_is_refused_with_both_ids(row, made):
    """Ambiguity is never resolved by chance."""
    one, two = made("networks", NetworkSpec(name="lan")), made("networks", NetworkSpec(name="lan"))
    with pytest.raises(Refused) as refusal:
        row("OS::Neutron::Port", NET).create()
    assert str(refusal.value) == f'2 objects of kind network are named "lan": {one}, {two}.'


def test_a_name_that_nothing_has_is_refused(row):
    """With a remedy."""
    with pytest.raises(Refused) as refusal:
        row("OS::Neutron::Port", {"network": "wan"}).create()
    assert 'no network with the name or id "wan"' in refusal.value.message
    assert refusal.value.remedy


def test_a_rule_naming_its_own_group_gets_the_groups_id(row, cloud):
    """The group is made first and completed second."""
    group = row(
        "OS::Neutron::SecurityGroup",
        {"rules": [{"remote_mode": "remote_group_id", "protocol": "tcp"}]},
    )
    group.create()
    (rule,) = cloud.security_groups.objects[group.ref.physical_id].spec.rules
    assert rule.remote_group_id == group.ref.physical_id


def test_a_private_key_is_kept_even_when_the_first_answer_was_lost(row, cloud):
    """The pair whose private half nobody holds is made again."""
    pair = row("OS::Nova::KeyPair", {"name": "k", "save_private_key": True})
    asyncio.run(pair.type.create(pair.ctx(fresh=True)))
    assert isinstance(pair.drive("create"), Done)
    answered = pair.attributes()
    assert answered["private_key"] == f"secret of {answered['public_key']}"
    assert len(cloud.key_pairs.objects) == 1


def test_a_private_key_that_is_not_to_be_kept_is_not_kept(row):
    """The attribute is empty, as Heat's."""
    pair = row("OS::Nova::KeyPair", {"name": "k"})
    pair.create()
    assert pair.attributes()["private_key"] == ""
    assert pair.ref.data == {}


def test_an_attachment_moves_by_detaching_first(row, cloud, made):
    """A volume is in one server at a time, so a change in place is detach, then attach."""
    disk = made("volumes", VolumeSpec(name="disk", size_gib=1))
    wanted = {"instance_uuid": "s1", "volume_id": disk}
    attachment = row("OS::Cinder::VolumeAttachment", wanted)
    attachment.create()
    outcome = attachment.update({**wanted, "instance_uuid": "s2"})
    assert isinstance(outcome, Done)
    (only,) = cloud.volume_attachments.objects.values()
    assert only.spec.server_id == "s2"
    assert cloud.volume_attachments.calls == ["create", "delete", "create"]


def test_a_volume_grows_and_does_not_shrink(row, cloud):
    """Growing is in place; shrinking is refused with both sizes."""
    disk = row("OS::Cinder::Volume", {"size": 2})
    disk.create()
    assert isinstance(disk.update({"size": 3}), Done)
    outcome = disk.update({"size": 1})
    assert isinstance(outcome, Failed)
    assert outcome.reason == "size: a volume cannot shrink from 3 to 1 GiB."
    assert cloud.volumes.objects[disk.ref.physical_id].spec.size_gib == 3


@pytest.mark.parametrize("name", ["Net", "Subnet", "Port", "Router", "FloatingIP"])
def test_extra_values_name_no_project(name):
    """`value_specs` cannot say whose the object is, nor what Mantle finds it by."""
    facts = default_registry().get(f"OS::Neutron::{name}").facts
    given = {"value_specs": {"tenant_id": "x", "description": "y", "mtu": 1}}
    problems = [each for each in facts.check_properties(given) if "value_specs" in each]
    assert problems == [
        "value_specs.description: it is not for a template to say. Leave it out.",
        "value_specs.tenant_id: it is not for a template to say. Leave it out.",
    ]
