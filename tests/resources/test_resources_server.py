"""OS::Nova::Server: what a change means, and the ports made for its interfaces."""

import asyncio

import pytest

from mantle.clouds.ports import NetworkSpec, Nic, ObjectStatus, PortSpec, SubnetSpec
from mantle.model.schema import Neighbour, Neighbourhood
from mantle.model.values import Call
from mantle.resources.kit import Done, Failed
from mantle.resources.nova.server import block_devices
from mantle.resources.registry import default_registry

SERVER = "OS::Nova::Server"
FACTS = default_registry().get(SERVER).facts
BASE = {"flavor": "small", "image": "base", "user_data": "echo 1"}


def full(**given):
    return {
        **{name: each.default for name, each in FACTS.schema.properties.items()},
        **BASE,
        **given,
    }


A, B = {"network": "a"}, {"network": "b"}
SUB = {"network": "a", "subnet": "s"}

CHANGES = [
    ({"flavor": "big"}, {}, None),
    ({"flavor": "big"}, {"flavor_update_policy": "REPLACE"}, "flavor changes and flavor_update_"),
    ({"image": "new"}, {}, None),
    ({"image": "new"}, {"image_update_policy": "REPLACE"}, "image changes and image_update_"),
    ({"image": None}, {}, "image is given on one side"),
    ({"user_data": "echo 2"}, {}, "user_data changes and user_data_update_policy is REPLACE"),
    ({"user_data": "echo 2"}, {"user_data_update_policy": "IGNORE"}, None),
    ({"user_data": "echo 2"}, {"user_data_update_policy": "REBUILD"}, None),
    ({"name": "other"}, {}, None),
    ({"metadata": {"a": "b"}}, {}, None),
]


@pytest.mark.parametrize(("change", "policy", "reason"), CHANGES)
def test_the_update_policies_decide_between_change_and_replacement(change, policy, reason):
    """The plan says it, with the policy as the reason."""
    found = FACTS.replace_when(full(**policy), full(**policy, **change))
    assert (found or "").startswith(reason or "")
    assert (found is None) == (reason is None)


@pytest.mark.parametrize(
    ("before", "after", "replaced"),
    [
        ([A], [A], False),
        ([A], [A, B], False),
        ([A, B], [A], False),
        ([A], [B], True),
        ([A, B], [B, A], True),
        ([A], None, True),
        ([A], [A, SUB], True),
        ([A, SUB], [A], True),
        ([SUB], [SUB, B], False),
    ],
)
def test_interfaces_change_in_place_at_the_end_of_the_list_only(before, after, replaced):
    """Anything else, and any port made for the server, is a new server."""
    found = FACTS.replace_when(full(networks=before), full(networks=after))
    assert (found is not None) == replaced


def test_an_ignored_script_does_not_reach_the_server(row, cloud):
    """user_data_update_policy IGNORE: the stored property changes, the server's script stays."""
    server = row(SERVER, BASE)
    server.create()
    assert isinstance(
        server.update({**BASE, "user_data": "echo 2", "user_data_update_policy": "IGNORE"}), Done
    )
    assert cloud.servers.objects["server-1"].spec.user_data == "echo 1"
    server.update({**BASE, "name": "n", "user_data_update_policy": "IGNORE", "user_data": "echo 2"})
    assert cloud.servers.objects["server-1"].spec.user_data == "echo 1"
    assert cloud.servers.objects["server-1"].spec.name == "n"


def test_a_new_image_rebuilds_then_adjusts(row, cloud):
    """Two deeds, each once, the second after the first has settled."""
    server = row(SERVER, BASE)
    server.create()
    outcome = server.update({**BASE, "image": "new", "flavor": "big"})
    assert isinstance(outcome, Done), outcome
    spec = cloud.servers.objects["server-1"].spec
    assert (spec.image, spec.flavor, spec.user_data) == ("new", "big", "echo 1")
    assert cloud.servers.calls == ["create", "rebuild", "update"]


def test_a_rebuild_takes_the_new_script_when_told_to(row, cloud):
    """user_data_update_policy REBUILD."""
    server = row(SERVER, BASE)
    server.create()
    changed = {**BASE, "user_data": "echo 2", "user_data_update_policy": "REBUILD"}
    assert isinstance(server.update(changed, stutter=True), Done)
    assert cloud.servers.objects["server-1"].spec.user_data == "echo 2"
    assert cloud.servers.objects["server-1"].status is ObjectStatus.ACTIVE


def test_an_update_twice_over_ends_in_the_same_server(row, cloud):
    """Every answer is lost once."""
    server = row(SERVER, BASE)
    server.create(stutter=True)
    server.update({**BASE, "flavor": "big", "metadata": {"n": 1}}, stutter=True)
    (only,) = cloud.servers.objects.values()
    assert (only.spec.flavor, only.spec.metadata) == ("big", {"n": "1"})


def test_suspend_and_resume_are_power_states(row, cloud):
    """Each is asked once and then awaited."""
    server = row(SERVER, BASE)
    server.create()
    assert isinstance(server.drive("suspend", stutter=True), Done)
    assert cloud.servers.objects["server-1"].status is ObjectStatus.SUSPENDED
    assert isinstance(server.drive("resume", stutter=True), Done)
    assert cloud.servers.objects["server-1"].status is ObjectStatus.ACTIVE
    assert cloud.servers.calls == ["create", "suspend", "resume"]


def test_a_server_in_error_cannot_be_suspended(row, cloud):
    """The reason is the fault."""
    server = row(SERVER, BASE)
    server.create()
    asyncio.run(cloud.servers.put("server-1", ObjectStatus.ERROR, "disk full"))
    assert server.drive("suspend") == Failed(reason="server is ERROR: disk full")


def test_an_interface_on_a_subnet_gets_a_port_that_goes_with_the_server(row, cloud, made):
    """Made before the server by a token derived from its own; deleted after it."""
    lan = made("networks", NetworkSpec(name="lan"))
    subnet = made("subnets", SubnetSpec(name="sub", network_id=lan, cidr="10.0.0.0/24"))
    server = row(SERVER, {**BASE, "networks": [{"network": lan}, {"subnet": "sub"}]})
    server.create(stutter=True)
    (port,) = cloud.ports.objects.values()
    assert (port.spec.network_id, port.spec.fixed_ips[0].subnet_id) == (lan, subnet)
    assert port.token == "token-1-nic1"
    spec = cloud.servers.objects[server.ref.physical_id].spec
    assert spec.nics == (Nic(network_id=lan), Nic(port_id=port.id))
    server.drive("delete", stutter=True)
    assert (cloud.ports.objects, cloud.servers.objects) == ({}, {})


def test_a_port_made_before_a_crash_is_deleted_though_there_is_no_server(row, cloud, made):
    """Power cut between the port and the server: delete finds the port by its token."""
    lan = made("networks", NetworkSpec(name="lan"))
    server = row(
        SERVER,
        {
            **BASE,
            "networks": [{"network": "lan", "port_extra_properties": {"mac_address": "02::2"}}],
        },
    )
    asyncio.run(cloud.ports.create(PortSpec(name="p", network_id=lan), "token-1-nic0"))
    assert isinstance(server.drive("delete"), Done)
    assert cloud.ports.objects == {}


def test_user_data_that_is_a_configs_id_becomes_its_text(row, cloud):
    """As Heat resolves it; any other text is the script itself."""
    texts = {"aaaaaaaa-0000-4000-8000-000000000001": "#!/bin/sh\necho stored"}

    async def config_text(config_id):
        return texts.get(config_id)

    server = row(SERVER, {**BASE, "user_data": next(iter(texts))}, config_text=config_text)
    server.create()
    assert cloud.servers.objects["server-1"].spec.user_data == "#!/bin/sh\necho stored"


def test_networks_and_addresses_are_found_by_name_and_by_id(row, cloud, made):
    """Templates use either."""
    lan = made("networks", NetworkSpec(name="default"))
    server = row(SERVER, BASE)
    server.create()
    answered = server.attributes()
    assert answered["networks"] == {"default": ["10.0.0.5"], lan: ["10.0.0.5"]}
    assert answered["first_address"] == "10.0.0.5"
    assert answered["addresses"][lan][0]["addr"] == "10.0.0.5"


def test_show_holds_neither_script_nor_password(row):
    """They may be secrets."""
    server = row(SERVER, {**BASE, "admin_pass": "hush"})
    server.create()
    assert "echo 1" not in str(server.attributes())
    assert "hush" not in str(server.attributes())


def test_a_server_waits_for_the_subnets_of_its_networks():
    """Though nothing refers to them: its address comes from one."""
    net = Call("get_resource", "net", ("resources", "s"))
    elsewhere = Call("get_resource", "net", ("resources", "sub"))
    others = {
        "sub": Neighbour("OS::Neutron::Subnet", {"network": elsewhere}),
        "other": Neighbour("OS::Neutron::Subnet", {"network": "x"}),
        "net": Neighbour("OS::Neutron::Net", {}),
    }
    assert FACTS.neighbours({"networks": [{"network": net}]}, Neighbourhood(others)) == ("sub",)


REFUSALS = {
    "personality": ({"personality": {"/a": "b"}}, "personality: Nova takes no files"),
    "floating": (
        {"networks": [{"network": "a"}, {"network": "b", "floating_ip": "f"}]},
        "networks[1].floating_ip: use a resource OS::Neutron::FloatingIPAssociation",
    ),
    "vnic": (
        {"networks": [{"network": "a", "port_extra_properties": {"binding:vnic_type": "direct"}}]},
        "networks[0].port_extra_properties.binding:vnic_type: only normal",
    ),
    "transport": ({"software_config_transport": "ZAQAR_MESSAGE"}, "software_config_transport: "),
    "ephemeral": (
        {"image_update_policy": "REBUILD_PRESERVE_EPHEMERAL"},
        "image_update_policy: REBUILD_PRESERVE_EPHEMERAL needs",
    ),
    "swap": (
        {"block_device_mapping_v2": [{"volume_id": "v", "swap_size": 5}]},
        "block_device_mapping_v2[0]: give one of volume_id, image, snapshot_id, swap_size",
    ),
    "a form of nothing": (
        {"block_device_mapping_v2": [{"image": "i", "ephemeral_format": "ext4"}]},
        "block_device_mapping_v2[0].ephemeral_format: needs ephemeral_size",
    ),
    "nothing to boot": ({"image": None}, "image: neither an image nor a volume"),
    "nowhere": ({"networks": [{"fixed_ip": "10.0.0.1"}]}, "networks[0]: one of network, port"),
    "port and address": (
        {"networks": [{"port": "p", "fixed_ip": "10.0.0.1"}]},
        "networks[0]: a port has its own addresses",
    ),
    "port and groups": (
        {"networks": [{"port": "p"}], "security_groups": ["g"]},
        "security_groups: a port has its own",
    ),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_no_cloud_can_honour_is_refused_by_name(case):
    """At validation, with its place and a remedy; nothing is ignored."""
    given, text = REFUSALS[case]
    (problem,) = FACTS.check_properties(full(**given))
    assert problem.startswith(text)


def test_disks_on_the_host_interfaces_with_tags_and_no_interface_at_all():
    """They are asked for as Nova has them."""
    assert FACTS.check_properties(full(networks=[{"network": "a", "tag": "t"}])) == []
    assert FACTS.check_properties(full(networks=[{"allocate_network": "none"}])) == []
    assert FACTS.check_properties(full(diskConfig="MANUAL")) == []
    scratch = {"image": None, "block_device_mapping_v2": [{"volume_id": "v"}, {"swap_size": 5}]}
    assert FACTS.check_properties(full(**scratch)) == []
    first, second = block_devices(full(**scratch))
    assert (first.boot_index, second.swap_mib, second.boot_index) == (0, 5, None)


def test_plain_servers_pass():
    """Defaults are no requests."""
    assert FACTS.check_properties(full()) == []
    assert FACTS.check_properties(full(networks=Call("get_param", "n", ()))) == []
