"""Types that are plain objects or settings, on a real OpenStack: create, update, check, delete.

They are the cloud's for the greater part: the project's user is an administrator here, and after
each story nothing is left that bears a mark or a name of ours.
"""

import asyncio
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab
from openstack_plane import Heat, Plane
from openstack_shapes import BALANCED, NET, PORT, ROUTED, Shape, changed, ref, typed

from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.clouds.plain import KINDS
from mantle.clouds.ports import CloudError
from mantle.model.ids import ProjectId

pytestmark = [
    pytest.mark.openstack,
    pytest.mark.timeout(400),
    pytest.mark.proves("life cycle: types that are plain objects or settings"),
]

OURS = f"mantletest{uuid.uuid4().hex[:6]}"
"""The beginning of every name that is the whole cloud's."""


def keystone(kind, **properties):
    return typed(f"Keystone::{kind}", **properties)


QOS = {
    "policy": typed("Neutron::QoSPolicy", name=f"{OURS}-q", description="slow"),
    "most": typed("Neutron::QoSBandwidthLimitRule", policy=ref("policy"), max_kbps=1000),
    "back": typed(
        "Neutron::QoSBandwidthLimitRule", policy=ref("policy"), max_kbps=500, direction="ingress"
    ),
    "mark": typed("Neutron::QoSDscpMarkingRule", policy=ref("policy"), dscp_mark=10),
    "least": typed("Neutron::QoSMinimumBandwidthRule", policy=ref("policy"), min_kbps=10),
    "packets": typed(
        "Neutron::QoSMinimumPacketRateRule", policy=ref("policy"), min_kpps=10, direction="any"
    ),
    "net": typed("Neutron::Net", qos_policy=ref("policy")),
}
SHARED = {
    "scope": typed("Neutron::AddressScope", name=f"{OURS}-s"),
    "pool": typed(
        "Neutron::SubnetPool",
        prefixes=["10.80.0.0/16"],
        address_scope=ref("scope"),
        default_prefixlen=24,
        tags=["one"],
    ),
    "net": typed("Neutron::Net"),
    "subnet": typed("Neutron::Subnet", network=ref("net"), subnetpool=ref("pool"), prefixlen=26),
    "may": typed(
        "Neutron::RBACPolicy",
        object_type="network",
        object_id=ref("net"),
        action="access_as_shared",
        target_tenant="*",
    ),
}
RULES = {
    **ROUTED,
    "group": typed("Neutron::SecurityGroup"),
    "rule": typed(
        "Neutron::SecurityGroupRule",
        security_group=ref("group"),
        port_range_min=22,
        port_range_max=22,
        description="ssh",
    ),
    "other": typed(
        "Neutron::SecurityGroupRule",
        security_group=ref("group"),
        remote_group=ref("group"),
        protocol="udp",
    ),
    "port": typed(
        "Neutron::Port",
        network=ref("net"),
        fixed_ips=[{"subnet": ref("subnet"), "ip_address": "10.8.0.50"}],
    ),
    "address": {
        **typed("Neutron::FloatingIP", floating_network="public"),
        "depends_on": "interface",
    },
    "forward": typed(
        "Neutron::FloatingIPPortForward",
        floating_ip=ref("address"),
        internal_port=ref("port"),
        internal_ip_address="10.8.0.50",
        internal_port_number=80,
        external_port=8080,
        protocol="tcp",
    ),
}
ROUTES = {
    **NET,
    "router": typed("Neutron::Router"),
    "interface": typed("Neutron::RouterInterface", router=ref("router"), subnet=ref("subnet")),
    "gateway": typed("Neutron::RouterGateway", router_id=ref("router"), network="public"),
    "one": typed(
        "Neutron::ExtraRoute",
        router_id=ref("router"),
        destination="10.90.0.0/24",
        nexthop="10.8.0.9",
    ),
    "more": typed(
        "Neutron::ExtraRouteSet",
        router=ref("router"),
        routes=[
            {"destination": "10.91.0.0/24", "nexthop": "10.8.0.9"},
            {"destination": "10.92.0.0/24", "nexthop": "10.8.0.9"},
        ],
    ),
}
IDENTITY = {
    "domain": keystone("Domain", name=f"{OURS}-d", enabled=False),
    "project": keystone("Project", name=f"{OURS}-p", tags=["one"]),
    "role": keystone("Role", name=f"{OURS}-r"),
    "group": keystone(
        "Group", name=f"{OURS}-g", roles=[{"role": ref("role"), "project": ref("project")}]
    ),
    "user": keystone(
        "User",
        name=f"{OURS}-u",
        password="Correct-Horse-1",
        email="u@example.org",
        default_project=ref("project"),
        groups=[ref("group")],
        roles=[{"role": ref("role"), "project": ref("project")}],
    ),
    "member": keystone(
        "UserRoleAssignment",
        user=ref("user"),
        roles=[{"role": "member", "project": ref("project")}],
    ),
    "members": keystone(
        "GroupRoleAssignment",
        group=ref("group"),
        roles=[{"role": "reader", "project": ref("project")}],
    ),
    "nova": typed("Nova::Quota", project=ref("project"), instances=3, cores=7),
    "cinder": typed("Cinder::Quota", project=ref("project"), volumes=3),
    "neutron": typed("Neutron::Quota", project=ref("project"), network=3, router=2),
    "octavia": typed("Octavia::Quota", project=ref("project"), pool=3, loadbalancer=2),
}
CATALOG = {
    "region": keystone("Region", id=f"{OURS}-north", description="far"),
    "service": keystone("Service", name=f"{OURS}-s", type=f"{OURS}-t"),
    "endpoint": keystone(
        "Endpoint",
        service=ref("service"),
        region=ref("region"),
        interface="public",
        url="http://127.0.0.1:1/a",
    ),
}
SIZES = {
    "project": keystone("Project", name=f"{OURS}-p"),
    "flavor": typed(
        "Nova::Flavor",
        name=f"{OURS}-f",
        ram=64,
        vcpus=1,
        is_public=False,
        tenants=[ref("project")],
        extra_specs={"lab:a": "1"},
    ),
    "hosts": typed(
        "Nova::HostAggregate",
        name=f"{OURS}-h",
        availability_zone=f"{OURS}-z",
        metadata={"ssd": "true"},
    ),
}
STORAGE = {
    "project": keystone("Project", name=f"{OURS}-p"),
    "kind": typed(
        "Cinder::VolumeType",
        name=f"{OURS}-v",
        metadata={"volume_backend_name": "lab"},
        is_public=False,
        projects=[ref("project")],
        description="fast",
    ),
    "luks": typed(
        "Cinder::EncryptedVolumeType",
        volume_type=ref("kind"),
        provider="luks",
        cipher="aes-xts-plain64",
        key_size=256,
    ),
    "specs": typed("Cinder::QoSSpecs", name=f"{OURS}-q", specs={"total_iops_sec": "100"}),
    "joined": typed("Cinder::QoSAssociation", qos_specs=ref("specs"), volume_types=[ref("kind")]),
}
LAYER7 = {
    **BALANCED,
    "redirect": typed(
        "Octavia::L7Policy",
        listener=ref("listener"),
        action="REDIRECT_TO_URL",
        redirect_url="http://example.org",
    ),
    "when": typed(
        "Octavia::L7Rule",
        l7policy=ref("redirect"),
        type="PATH",
        compare_type="STARTS_WITH",
        value="/old",
    ),
    "and": typed(
        "Octavia::L7Rule",
        l7policy=ref("redirect"),
        type="HEADER",
        compare_type="EQUAL_TO",
        key="X-Old",
        value="yes",
    ),
}
OFFERS = {
    "told": typed(
        "Octavia::FlavorProfile",
        name=f"{OURS}-fp",
        provider_name="amphora",
        flavor_data='{"loadbalancer_topology": "SINGLE"}',
    ),
    "small": typed("Octavia::Flavor", name=f"{OURS}-f", flavor_profile=ref("told")),
    "where": typed(
        "Octavia::AvailabilityZoneProfile",
        name=f"{OURS}-zp",
        provider_name="amphora",
        availability_zone_data='{"compute_zone": "nova"}',
    ),
    "zone": typed(
        "Octavia::AvailabilityZone",
        name=f"{OURS}-z",
        availability_zone_profile=ref("where"),
    ),
}
BUILT = {
    "net": typed(
        "Neutron::ProviderNet",
        name=f"{OURS}-n",
        network_type="vxlan",
        segmentation_id="4242",
        shared=False,
        tags=["one"],
    ),
}
TRUNKED = {
    **PORT,
    "inner": typed("Neutron::Port", network=ref("net")),
    "second": typed("Neutron::Port", network=ref("net")),
}
OLD_NAMES = {
    "net": typed("Quantum::Net"),
    "subnet": typed("Quantum::Subnet", network_id=ref("net"), cidr="10.8.0.0/24"),
    "lb": typed("Neutron::LBaaS::LoadBalancer", vip_subnet=ref("subnet")),
    "gone": typed("Neutron::PoolMember", address="10.8.0.3", anything=["at", "all"]),
}

FURNISHED = {
    **NET,
    "flavor": typed("Nova::Flavor", name=f"{OURS}-f", ram=64, vcpus=1, swap=64, ephemeral=2),
    "kind": typed("Cinder::VolumeType", name=f"{OURS}-v", metadata={"volume_backend_name": "lab"}),
    "server": {
        **typed(
            "Nova::Server",
            flavor=ref("flavor"),
            image="tiny",
            networks=[{"network": ref("net"), "tag": "front"}],
            diskConfig="MANUAL",
            config_drive=True,
            tags=["one"],
            scheduler_hints={"different_host": ["00000000-0000-4000-8000-000000000000"]},
            block_device_mapping_v2=[
                {"swap_size": 64},
                {"ephemeral_size": 2, "ephemeral_format": "ext4"},
                {
                    "image": "tiny",
                    "volume_size": 1,
                    "volume_type": ref("kind"),
                    "disk_bus": "virtio",
                    "device_type": "disk",
                    "boot_index": -1,
                    "delete_on_termination": True,
                },
            ],
        ),
        "depends_on": "subnet",
    },
}

SHAPES = {
    "a server with all that Nova has": Shape(
        before=FURNISHED,
        after=changed(FURNISHED, server={"tags": ["two"], "metadata": {"a": "b"}}),
        same=("server", "flavor"),
    ),
    "a server without networks": Shape(
        before={
            "server": typed(
                "Nova::Server",
                flavor="tiny",
                image="tiny",
                networks=[{"allocate_network": "none"}],
            )
        },
        after={},
    ),
    "qos": Shape(
        before=QOS,
        after=changed(
            QOS, policy={"description": "slower"}, most={"max_kbps": 900}, mark={"dscp_mark": 12}
        ),
        same=("policy", "most", "mark", "least", "net"),
    ),
    "sharing": Shape(
        before=SHARED,
        after=changed(
            SHARED,
            scope={"name": f"{OURS}-s2"},
            pool={"prefixes": ["10.80.0.0/15"], "tags": ["two"]},
        ),
        same=("scope", "pool", "subnet", "may"),
    ),
    "rules and forwardings": Shape(
        before=RULES,
        after=changed(
            RULES,
            rule={"port_range_min": 23, "port_range_max": 23},
            forward={"external_port": 8081},
        ),
        same=("group", "other", "forward"),
        others=("rule",),
    ),
    "routes": Shape(
        before=ROUTES,
        after=changed(
            ROUTES,
            more={
                "routes": [
                    {"destination": "10.92.0.0/24", "nexthop": "10.8.0.9"},
                    {"destination": "10.93.0.0/24", "nexthop": "10.8.0.9"},
                ]
            },
            one={"nexthop": "10.8.0.10"},
        ),
        same=("router", "gateway", "more"),
        others=("one",),
    ),
    "identity and quotas": Shape(
        before=IDENTITY,
        after=changed(
            IDENTITY,
            project={"description": "changed", "tags": []},
            user={"groups": [], "email": "v@example.org"},
            member={"roles": [{"role": "reader", "project": ref("project")}]},
            nova={"instances": 4},
            octavia={"pool": 4},
        ),
        same=tuple(IDENTITY),
    ),
    "catalog": Shape(
        before=CATALOG,
        after=changed(
            CATALOG, endpoint={"url": "http://127.0.0.1:1/b"}, region={"description": "b"}
        ),
        same=("region", "service", "endpoint"),
    ),
    "sizes": Shape(
        before=SIZES,
        after=changed(
            SIZES,
            flavor={"extra_specs": {"lab:b": "2"}, "tenants": []},
            hosts={"metadata": {"ssd": "false"}, "name": f"{OURS}-h2"},
        ),
        same=("flavor", "hosts"),
    ),
    "another size": Shape(
        before=SIZES, after=changed(SIZES, flavor={"ram": 128}), same=("hosts",), others=("flavor",)
    ),
    "storage": Shape(
        before=STORAGE,
        after=changed(
            STORAGE,
            kind={"description": "slow", "projects": []},
            specs={"specs": {"read_iops_sec": "50"}},
            luks={"key_size": 512},
            joined={"volume_types": []},
        ),
        same=("kind", "specs", "luks", "joined"),
    ),
    "layer 7": Shape(
        before=LAYER7,
        after=changed(
            LAYER7,
            redirect={"redirect_url": "http://example.com", "description": "changed"},
            when={"value": "/older"},
        ),
        same=("redirect", "when", "and"),
    ),
    "kinds of load balancers": Shape(
        before=OFFERS,
        after=changed(OFFERS, small={"description": "changed"}, zone={"enabled": False}),
        same=tuple(OFFERS),
    ),
    "provider network": Shape(
        before=BUILT,
        after=changed(BUILT, net={"name": f"{OURS}-n2", "tags": []}),
        same=("net",),
    ),
    "trunk": Shape(
        before={
            **TRUNKED,
            "trunk": typed(
                "Neutron::Trunk",
                port=ref("port"),
                sub_ports=[
                    {
                        "port": ref("inner"),
                        "segmentation_type": "vlan",
                        "segmentation_id": 100,
                    }
                ],
            ),
        },
        after={
            **TRUNKED,
            "trunk": typed(
                "Neutron::Trunk",
                port=ref("port"),
                name="renamed",
                sub_ports=[
                    {
                        "port": ref("second"),
                        "segmentation_type": "vlan",
                        "segmentation_id": 100,
                    }
                ],
            ),
        },
        same=("trunk",),
    ),
    "old names": Shape(before=OLD_NAMES, after=OLD_NAMES, same=("net", "lb")),
}


@pytest.fixture(scope="module")
def lab() -> Iterator[openstack_lab.Lab]:
    with openstack_lab.two_projects() as lab:
        admin = openstack_lab.connect()
        user, role = admin.identity.find_user("demo"), admin.identity.find_role("admin")
        project = admin.identity.get_project(lab.mine)
        admin.identity.assign_project_role_to_user(project, user, role)
        yield lab


@pytest.fixture(scope="module")
def heat(lab, tmp_path_factory) -> Iterator[Heat]:
    project = openstack_lab.connect().identity.get_project(lab.mine).name
    plane = Plane(tmp_path_factory.mktemp("plane"), project)
    try:
        with Heat(plane, lab.mine) as heat:
            yield heat
    finally:
        plane.stop()


async def plain_leftovers(project_id):
    """(kind, name) of what bears a mark, or a name of this run."""
    cloud = OpenStackCloud(Entry(name="real-demo", file=openstack_lab.clouds_file()))
    session = cloud.session(ProjectId(project_id))
    found = []
    for kind in KINDS:
        try:
            listed = await session.plain(kind).list()
        except CloudError:
            continue  # this Neutron does not have it
        found += [(kind, each.name) for each in listed if each.token or OURS in each.name]
    await cloud.stop()
    return found


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_of_plain_types(heat, lab, name):
    """Made as asked, changed as asked, found in order, and gone when deleted."""
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
    finally:
        heat.delete()
    assert asyncio.run(openstack_lab.leftovers(lab.mine)) == []
    assert asyncio.run(plain_leftovers(lab.mine)) == []


def test_a_type_that_this_neutron_has_no_part_for_is_refused(heat):
    """When the template is validated, by the name of the extension."""
    label = {"label": typed("Neutron::MeteringLabel")}
    body = {
        "stack_name": "s",
        "template": {"heat_template_version": "2021-04-16", "resources": label},
    }
    answer = heat.http.post("/stacks", json=body)
    assert answer.status_code == 400
    assert "no extension metering" in answer.text
