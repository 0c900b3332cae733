"""Templates of many shapes on a real OpenStack: create, update, check, delete; nothing is left.

Each shape is two templates, before and after, what must be there after each, and what about the
physical ids: which resources are the same object after the update (changed in place) and which are
others (replaced).
"""

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane, Stock
from openstack_shapes import BALANCED, NET, PORT, ROUTED, SERVER, Shape, changed, ref, typed

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(400)]


DISKS = {
    **SERVER,
    "disk": typed("Cinder::Volume", size=1, metadata={"kept": "yes"}),
    "attachment": typed(
        "Cinder::VolumeAttachment", instance_uuid=ref("server"), volume_id=ref("disk")
    ),
}
GROUP = {
    "group": typed(
        "Neutron::SecurityGroup",
        description="for tests",
        rules=[
            {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
            {"protocol": "udp", "remote_mode": "remote_group_id"},
        ],
    )
}
PUBLIC = {
    **ROUTED,
    "one": typed("Neutron::Port", network=ref("net")),
    "two": typed("Neutron::Port", network=ref("net")),
    "address": typed("Neutron::FloatingIP", floating_network="public"),
    "way": {
        **typed("Neutron::FloatingIPAssociation", floatingip_id=ref("address"), port_id=ref("one")),
        "depends_on": "interface",
    },
}

SHAPES = {
    "network": Shape(
        before=NET,
        after=changed(
            NET,
            net={"name": "renamed", "tags": ["one", "two"]},
            subnet={"dns_nameservers": ["192.0.2.53"], "enable_dhcp": False},
        ),
        same=("net", "subnet"),
    ),
    "another range": Shape(
        before=NET,
        after=changed(NET, subnet={"cidr": "10.9.0.0/24"}),
        same=("net",),
        others=("subnet",),
    ),
    "router": Shape(
        before=ROUTED,
        after={**ROUTED, "router": typed("Neutron::Router", name="r")},
        same=("router", "interface"),
    ),
    "port": Shape(
        before=PORT,
        after=changed(
            PORT,
            port={
                "allowed_address_pairs": [{"ip_address": "10.8.0.200"}],
                "fixed_ips": [{"subnet": ref("subnet"), "ip_address": "10.8.0.99"}],
                "admin_state_up": False,
            },
        ),
        same=("port",),
    ),
    "what only Neutron knows": Shape(
        before={
            "net": typed("Neutron::Net", value_specs={"mtu": 1400}),
            "six": typed(
                "Neutron::Subnet",
                network=ref("net"),
                cidr="fd00:8::/64",
                ip_version=6,
                ipv6_ra_mode="slaac",
                ipv6_address_mode="slaac",
            ),
            "port": {
                **typed(
                    "Neutron::Port",
                    network=ref("net"),
                    no_fixed_ips=True,
                    **{"binding:vnic_type": "direct"},
                ),
                "depends_on": "six",
            },
        },
        after={
            "net": typed("Neutron::Net", value_specs={"mtu": 1300}),
            "six": typed(
                "Neutron::Subnet",
                network=ref("net"),
                cidr="fd00:8::/64",
                ip_version=6,
                ipv6_ra_mode="slaac",
                ipv6_address_mode="slaac",
            ),
            "port": {
                **typed("Neutron::Port", network=ref("net"), no_fixed_ips=True),
                "depends_on": "six",
            },
        },
        same=("net", "six", "port"),
    ),
    "group": Shape(
        before=GROUP,
        after=changed(
            GROUP,
            group={
                "rules": [
                    {"protocol": "tcp", "port_range_min": 443, "port_range_max": 443},
                    {"direction": "egress", "protocol": "icmp"},
                ]
            },
        ),
        same=("group",),
    ),
    "floating address": Shape(
        before=PUBLIC,
        after=changed(PUBLIC, way={"port_id": ref("two")}),
        same=("address", "way"),
    ),
    "server": Shape(
        before=SERVER,
        after=changed(SERVER, server={"metadata": {"b": "2"}, "tags": ["two"], "name": "new"}),
        same=("server", "port"),
        suspends=True,
    ),
    "resized": Shape(
        before=SERVER, after=changed(SERVER, server={"flavor": "small"}), same=("server",)
    ),
    "rebuilt": Shape(
        before=SERVER, after=changed(SERVER, server={"image": "local"}), same=("server",)
    ),
    "replaced": Shape(
        before=SERVER,
        after=changed(SERVER, server={"user_data": "#!/bin/sh\n"}),
        same=("net",),
        others=("server",),
    ),
    "disks": Shape(
        before=DISKS,
        after=changed(DISKS, disk={"size": 2, "metadata": {"kept": "no"}, "name": "d"}),
        same=("disk", "server", "attachment"),
    ),
    "boots from a volume": Shape(
        before={
            **NET,
            "disk": typed("Cinder::Volume", size=1, image="tiny"),
            "server": {
                **typed(
                    "Nova::Server",
                    flavor="tiny",
                    block_device_mapping_v2=[{"volume_id": ref("disk"), "boot_index": 0}],
                    networks=[{"network": ref("net")}],
                ),
                "depends_on": "subnet",
            },
        },
        after={**NET},
    ),
    "balancer": Shape(
        before=BALANCED,
        after=changed(
            BALANCED,
            member={"weight": 7},
            pool={"lb_algorithm": "SOURCE_IP"},
            monitor={"delay": 9},
            listener={"connection_limit": 100},
            lb={"description": "changed"},
        ),
        same=("lb", "listener", "pool", "member", "monitor"),
    ),
    "key": Shape(
        before={
            "key": typed("Nova::KeyPair", name="mantle-shape", save_private_key=True),
            "value": {
                "type": "OS::Heat::Value",
                "properties": {"value": {"get_attr": ["key", "public_key"]}},
            },
        },
        after={"key": typed("Nova::KeyPair", name="mantle-shape-2", save_private_key=True)},
        others=("key",),
    ),
    "apart": Shape(
        before={
            **SERVER,
            "apart": typed("Nova::ServerGroup", policies=["anti-affinity"]),
            "server": typed(
                "Nova::Server",
                flavor="tiny",
                image="tiny",
                networks=[{"port": ref("port")}],
                scheduler_hints={"group": ref("apart")},
            ),
        },
        after={**NET, "apart": typed("Nova::ServerGroup", policies=["soft-affinity"])},
        others=("apart",),
    ),
    "old names": Shape(
        before={
            **ROUTED,
            **SERVER,
            "address": typed("Nova::FloatingIP", pool="public"),
            "way": typed(
                "Nova::FloatingIPAssociation",
                server_id=ref("server"),
                floating_ip=ref("address"),
            ),
        },
        after={**ROUTED, **SERVER, "address": typed("Nova::FloatingIP", pool="public")},
        same=("address", "server"),
    ),
    "group of servers": Shape(
        before={
            **NET,
            "servers": {
                "type": "OS::Heat::ResourceGroup",
                "depends_on": "subnet",
                "properties": {
                    "count": 2,
                    "resource_def": typed(
                        "Nova::Server",
                        flavor="tiny",
                        image="tiny",
                        networks=[{"network": ref("net")}],
                    ),
                },
            },
        },
        after={
            **NET,
            "servers": {
                "type": "OS::Heat::ResourceGroup",
                "depends_on": "subnet",
                "properties": {
                    "count": 3,
                    "resource_def": typed(
                        "Nova::Server",
                        flavor="tiny",
                        image="tiny",
                        networks=[{"network": ref("net")}],
                    ),
                },
            },
        },
        same=("servers",),
    ),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[openstack_lab.Lab]:
    with openstack_lab.two_projects() as lab:
        openstack_lab.furnish()
        yield lab


@pytest.fixture(scope="module")
def plane(lab, tmp_path_factory) -> Iterator[Plane]:
    project = openstack_lab.connect().identity.get_project(lab.mine).name
    plane = Plane(tmp_path_factory.mktemp("plane"), project)
    try:
        plane.mantle(f"register --url {plane.url}", cloud="real-admin")
        yield plane
    finally:
        plane.stop()


BY_THE_STOCK_CLIENT = (
    *("network", "another range", "router", "group", "floating address", "server", "rebuilt"),
    *("replaced", "disks", "balancer", "apart", "group of servers"),
)
"""Twelve of them; the rest is asked over the same API, without a process for each command."""


@pytest.fixture
def heat(lab, plane, request) -> Iterator[Heat]:
    kind = Stock if request.getfixturevalue("name") in BY_THE_STOCK_CLIENT else Heat
    with kind(plane, lab.mine) as heat:
        yield heat


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape(heat, lab, name):
    """Made and changed as asked, found in order, and gone when deleted: every service says so."""
    shape = SHAPES[name]
    heat.create(shape.before)
    try:
        before = heat.ids()
        heat.act("check")
        heat.update(shape.after)
        after = heat.ids()
        assert {each: after[each] for each in shape.same} == {
            each: before[each] for each in shape.same
        }
        assert {each for each in shape.others if after[each] == before[each]} == set()
        heat.act("check")
        if shape.suspends:
            heat.act("suspend")
            heat.act("resume")
    finally:
        heat.delete()
    assert asyncio.run(openstack_lab.leftovers(lab.mine)) == []
    assert openstack_lab.everything(lab.mine) == []
