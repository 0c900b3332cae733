"""Every type that is a plain object or a setting, through its life, the power cut at every call.

The simulated cloud plays OpenStack's part; the same types on the real one are in
`tests/openstack/test_openstack_plain.py`.
"""

import asyncio
from pathlib import Path
from runpy import run_path

import pytest

from mantle.clouds.local.limitations import limitations as of_local
from mantle.clouds.openstack.errors import Service
from mantle.clouds.openstack.limitations import limitations as of_openstack
from mantle.clouds.openstack.plain_tables import BELOW, TABLES
from mantle.clouds.openstack.settings import WAYS
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.clouds.ports import PlainSpec
from mantle.clouds.simulated import Faults, SimulatedCloud
from mantle.model.ids import ProjectId, Token
from mantle.resources.kit import Done, Failed
from mantle.resources.registry import default_registry

NETS = {
    "net": ("OS::Neutron::Net", {"name": "lan"}),
    "sub": ("OS::Neutron::Subnet", {"network": "$net", "cidr": "10.1.0.0/24"}),
    "router": ("OS::Neutron::Router", {}),
    "port": ("OS::Neutron::Port", {"network": "lan"}),
    "other": ("OS::Neutron::Port", {"network": "lan", "name": "other"}),
    "group": ("OS::Neutron::SecurityGroup", {}),
    "address": ("OS::Neutron::FloatingIP", {"floating_network": "public"}),
}
STORIES = {
    "neutron": {
        **NETS,
        "provider": (
            "OS::Neutron::ProviderNet",
            {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": "7"},
        ),
        "policy": ("OS::Neutron::QoSPolicy", {"name": "gold", "description": "fast"}),
        "most": ("OS::Neutron::QoSBandwidthLimitRule", {"policy": "gold", "max_kbps": 1000}),
        "mark": ("OS::Neutron::QoSDscpMarkingRule", {"policy": "$policy", "dscp_mark": 10}),
        "least": ("OS::Neutron::QoSMinimumBandwidthRule", {"policy": "gold", "min_kbps": 10}),
        "packets": ("OS::Neutron::QoSMinimumPacketRateRule", {"policy": "gold", "min_kpps": 10}),
        "scope": ("OS::Neutron::AddressScope", {"name": "inside"}),
        "pool": (
            "OS::Neutron::SubnetPool",
            {"prefixes": ["10.8.0.0/16"], "address_scope": "inside", "tags": ["a"]},
        ),
        "shared": (
            "OS::Neutron::RBACPolicy",
            {
                "object_type": "network",
                "object_id": "$net",
                "action": "access_as_shared",
                "target_tenant": "p2",
            },
        ),
        "trunk": (
            "OS::Neutron::Trunk",
            {
                "port": "$port",
                "sub_ports": [
                    {"port": "other", "segmentation_type": "vlan", "segmentation_id": 100}
                ],
            },
        ),
        "segment": ("OS::Neutron::Segment", {"network": "lan", "network_type": "vxlan"}),
        "label": ("OS::Neutron::MeteringLabel", {"description": "all"}),
        "counted": (
            "OS::Neutron::MeteringRule",
            {"metering_label_id": "$label", "remote_ip_prefix": "10.0.0.0/8"},
        ),
        "rule": (
            "OS::Neutron::SecurityGroupRule",
            {"security_group": "$group", "port_range_min": 22, "port_range_max": 22},
        ),
        "forward": (
            "OS::Neutron::FloatingIPPortForward",
            {
                "floating_ip": "$address",
                "internal_port": "$port",
                "internal_ip_address": "10.1.0.2",
                "internal_port_number": 80,
                "external_port": 8080,
                "protocol": "tcp",
            },
        ),
        "gateway": ("OS::Neutron::RouterGateway", {"router_id": "$router", "network": "public"}),
        "route": (
            "OS::Neutron::ExtraRoute",
            {"router_id": "$router", "destination": "10.9.0.0/24", "nexthop": "10.1.0.9"},
        ),
        "routes": (
            "OS::Neutron::ExtraRouteSet",
            {
                "router": "$router",
                "routes": [{"destination": "10.7.0.0/24", "nexthop": "10.1.0.9"}],
            },
        ),
        "quota": ("OS::Neutron::Quota", {"project": "p1", "network": 5}),
    },
    "the cloud's": {
        "domain": ("OS::Keystone::Domain", {"name": "d"}),
        "project": ("OS::Keystone::Project", {"name": "pr", "domain": "d", "tags": ["t"]}),
        "role": ("OS::Keystone::Role", {"name": "r"}),
        "people": (
            "OS::Keystone::Group",
            {"name": "g", "roles": [{"role": "r", "project": "pr"}]},
        ),
        "user": (
            "OS::Keystone::User",
            {
                "name": "u",
                "password": "hidden",
                "groups": ["g"],
                "roles": [{"role": "r", "domain": "d"}],
                "default_project": "$project",
            },
        ),
        "may": (
            "OS::Keystone::UserRoleAssignment",
            {"user": "u", "roles": [{"role": "r", "project": "pr"}]},
        ),
        "all_may": (
            "OS::Keystone::GroupRoleAssignment",
            {"group": "g", "roles": [{"role": "r", "domain": "d"}]},
        ),
        "region": ("OS::Keystone::Region", {"id": "north"}),
        "service": ("OS::Keystone::Service", {"name": "s", "type": "dns"}),
        "endpoint": (
            "OS::Keystone::Endpoint",
            {"service": "s", "interface": "public", "url": "http://dns", "region": "north"},
        ),
        "flavor": (
            "OS::Nova::Flavor",
            {
                "name": "f",
                "ram": 64,
                "vcpus": 1,
                "is_public": False,
                "tenants": ["pr"],
                "extra_specs": {"a": "b"},
            },
        ),
        "hosts": (
            "OS::Nova::HostAggregate",
            {"name": "h", "hosts": ["one"], "metadata": {"ssd": True}},
        ),
        "nova": ("OS::Nova::Quota", {"project": "pr", "instances": 3}),
        "type": (
            "OS::Cinder::VolumeType",
            {"name": "fast", "metadata": {"a": "b"}, "is_public": False, "projects": ["pr"]},
        ),
        "luks": ("OS::Cinder::EncryptedVolumeType", {"volume_type": "fast", "provider": "luks"}),
        "specs": ("OS::Cinder::QoSSpecs", {"name": "q", "specs": {"total_iops_sec": "5"}}),
        "joined": (
            "OS::Cinder::QoSAssociation",
            {"qos_specs": "q", "volume_types": ["$type"]},
        ),
        "cinder": ("OS::Cinder::Quota", {"project": "pr", "volumes": 3}),
        "image": (
            "OS::Glance::WebImage",
            {
                "name": "i",
                "disk_format": "raw",
                "container_format": "bare",
                "location": "http://images/one",
                "visibility": "shared",
                "members": ["p2"],
            },
        ),
    },
    "octavia": {
        "net": NETS["net"],
        "sub": NETS["sub"],
        "lb": ("OS::Octavia::LoadBalancer", {"vip_subnet": "$sub"}),
        "ear": (
            "OS::Octavia::Listener",
            {"loadbalancer": "$lb", "protocol": "HTTP", "protocol_port": 80},
        ),
        "l7": (
            "OS::Octavia::L7Policy",
            {"listener": "$ear", "action": "REDIRECT_TO_URL", "redirect_url": "http://e"},
        ),
        "when": (
            "OS::Octavia::L7Rule",
            {"l7policy": "$l7", "type": "PATH", "compare_type": "STARTS_WITH", "value": "/a"},
        ),
        "told": (
            "OS::Octavia::FlavorProfile",
            {"name": "fp", "flavor_data": "{}", "provider_name": "amphora"},
        ),
        "small": ("OS::Octavia::Flavor", {"name": "small", "flavor_profile": "fp"}),
        "zones": (
            "OS::Octavia::AvailabilityZoneProfile",
            {"name": "zp", "availability_zone_data": "{}", "provider_name": "amphora"},
        ),
        "zone": (
            "OS::Octavia::AvailabilityZone",
            {"name": "z", "availability_zone_profile": "zp"},
        ),
        "quota": ("OS::Octavia::Quota", {"project": "p1", "pool": 5}),
    },
}
CHANGES = {
    "most": {"max_kbps": 2000},
    "policy": {"description": "faster"},
    "pool": {"prefixes": ["10.8.0.0/15"]},
    "trunk": {"sub_ports": []},
    "routes": {"routes": [{"destination": "10.6.0.0/24", "nexthop": "10.1.0.9"}]},
    "quota": {"network": 6},
    "user": {"groups": [], "description": "changed", "roles": []},
    "flavor": {"extra_specs": {"c": "d"}, "tenants": []},
    "hosts": {"hosts": ["two"], "metadata": {}},
    "type": {"metadata": {}, "projects": []},
    "luks": {"cipher": "aes-xts-plain64"},
    "specs": {"specs": {"read_iops_sec": "7"}},
    "image": {"members": []},
    "l7": {"position": 2},
    "when": {"value": "/b"},
    "may": {"roles": [{"role": "r", "domain": "d"}]},
}


def filled_in(value, references):
    """`$name` replaced by the reference of that row."""
    if isinstance(value, str) and value.startswith("$"):
        return references[value[1:]]
    if isinstance(value, list):
        return [filled_in(each, references) for each in value]
    if isinstance(value, dict):
        return {key: filled_in(each, references) for key, each in value.items()}
    return value


class Cut:
    """A hook that kills at the given moment, once, and counts the moments."""

    def __init__(self, at, death):
        self.at, self.death, self.seen = at, death, 0

    def __call__(self, _, __):
        self.seen += 1
        if self.seen - 1 == self.at:
            raise self.death


def state(cloud):
    """What there is, but for the cloud's own network, and what is set, without random ids."""
    kinds = [kind for kind, _, name in cloud.world.listing() if name != "public-p1"]
    settings = sorted((slot[1], len(held)) for slot, held in cloud.world.settings.items())
    return {kind: kinds.count(kind) for kind in kinds}, settings


def tell(story, rows, clock, cut):
    """Create, check, change, check, delete; what there was after each."""
    cloud = SimulatedCloud(clock=clock, faults=Faults(build_seconds=1.0, hook=cut))
    session = cloud.session(ProjectId("p1"))
    told, references = {}, {}
    for name, (kind, properties) in STORIES[story].items():
        wanted = filled_in(properties, references)
        row = rows(session, kind, wanted, name=name, clock=clock)
        outcome = row.create()
        assert isinstance(outcome, Done), (name, outcome)
        told[name] = row, wanted
        references[name] = row.reference
    made = state(cloud)
    for name, (row, wanted) in told.items():
        if name in CHANGES and row.type.schema.type != "OS::Octavia::Quota":
            assert isinstance(row.update({**wanted, **CHANGES[name]}), Done), name
    changed = state(cloud)
    for row, _ in told.values():
        assert isinstance(row.drive("check"), Done), row.ref.name
        if cut.at < 0:
            declared = row.type.schema.attributes.keys()
            assert row.attributes().keys() <= declared
    for row, _ in reversed(told.values()):
        outcome = row.drive("delete")
        assert isinstance(outcome, Done), (row.ref.name, outcome)
    return made, changed, state(cloud)


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.proves("life cycle: types that are plain objects or settings")
def test_a_power_cut_at_any_call_doubles_nothing_and_leaves_nothing(story, rows, clock, power_cut):
    """At calls of every phase, before and after the deed: each third moment, as they are many."""
    cut = Cut(-1, power_cut)
    whole = tell(story, rows, clock, cut)
    assert whole[2] == ({}, [])
    assert cut.seen > 50
    for at in range(0, cut.seen, 3):
        again = Cut(at, power_cut)
        assert tell(story, rows, clock, again) == whole, f"cut at moment {at}"


def test_the_stories_have_every_plain_type():
    """No type is without one, and no kind without a table in OpenStack."""
    told = {kind for story in STORIES.values() for kind, _ in story.values()}
    made = {each for kind in (*KINDS.values(), *SETTINGS.values()) for each in kind.types}
    assert made <= told
    assert KINDS.keys() == TABLES.keys() | BELOW.keys() | {"images"}
    assert SETTINGS.keys() == WAYS.keys()
    assert made <= default_registry().types.keys()


@pytest.fixture
def session(clock):
    return SimulatedCloud(clock=clock).session(ProjectId("p1"))


def test_the_page_of_types_is_the_registrys():
    """docs/reference/openstack-types.md: run scripts/openstack_types.py when this fails."""
    root = Path(__file__).parents[2]
    script = run_path(str(root / "scripts" / "openstack_types.py"))
    assert script["PAGE"].read_text() == script["page"]()


def test_what_is_somebody_elses_is_not_taken(rows, session):
    """There is an aggregate of that name: the create fails, and its delete leaves it alone."""
    aggregates = session.plain("host_aggregates")
    theirs = asyncio.run(aggregates.create(PlainSpec(name="h"), Token("theirs")))
    row = rows(session, "OS::Nova::HostAggregate", {"name": "h"})
    outcome = row.create()
    assert isinstance(outcome, Failed)
    assert theirs.id in outcome.reason + outcome.remedy
    assert isinstance(row.drive("delete"), Done)
    assert [each.id for each in asyncio.run(aggregates.list())] == [theirs.id]


def test_a_setting_that_was_never_begun_is_not_taken_away(rows, session):
    """Somebody's role stays when the resource that wants the same fails before it began."""
    held = session.settings("user_roles")
    asyncio.run(held.put("u1", {"projects/p/r": True}, {}))
    users = session.plain("users")
    asyncio.run(users.create(PlainSpec(name="u"), Token("u")))
    row = rows(session, "OS::Keystone::UserRoleAssignment", {"user": "u"})
    assert isinstance(row.drive("delete"), Done)
    assert asyncio.run(held.get("u1")) == {"projects/p/r": True}


def test_a_password_is_neither_shown_nor_told_again(rows, session):
    """It is in no attribute; an update that leaves it alone does not send it."""
    row = rows(session, "OS::Keystone::User", {"name": "u", "password": "hidden"})
    row.create()
    assert "hidden" not in repr(row.attributes())


def test_a_cloud_without_the_service_or_extension_says_so():
    """From the catalog, and from Neutron's list of extensions; the local cloud has none of them."""
    without = {
        each.resource_type: each.why
        for each in of_openstack({Service.NETWORK, Service.COMPUTE}, {"qos", "provider"})
    }
    assert "no load-balancer service" in without["OS::Octavia::L7Policy"]
    assert "no identity service" in without["OS::Keystone::User"]
    assert without["OS::Neutron::Trunk"].endswith("no extension trunk")
    assert "OS::Neutron::QoSPolicy" not in without
    assert "OS::Nova::Flavor" not in without
    local = {each.resource_type for each in of_local("HAProxy", "bubblewrap", 1) if not each.path}
    assert {"OS::Keystone::User", "OS::Neutron::ProviderNet", "OS::Nova::Quota"} <= local


BAD = {
    "two sides": (
        "OS::Neutron::SecurityGroupRule",
        {"security_group": "g", "remote_group": "g", "remote_ip_prefix": "10.0.0.0/8"},
    ),
    "a range backwards": (
        "OS::Neutron::SecurityGroupRule",
        {"security_group": "g", "port_range_min": 9, "port_range_max": 8},
    ),
    "a tag twice": (
        "OS::Neutron::Trunk",
        {"port": "p", "sub_ports": [{"port": "a", "segmentation_id": 1}] * 2},
    ),
    "its own child": ("OS::Neutron::Trunk", {"port": "p", "sub_ports": [{"port": "p"}]}),
    "lengths backwards": (
        "OS::Neutron::SubnetPool",
        {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 24, "max_prefixlen": 20},
    ),
    "another's pool": ("OS::Neutron::SubnetPool", {"tenant_id": "p2"}),
    "no way outside": (
        "OS::Neutron::RBACPolicy",
        {"object_type": "qos_policy", "action": "access_as_external"},
    ),
    "no limit": ("OS::Nova::Quota", {"project": "p"}),
    "everybody and some": ("OS::Nova::Flavor", {"is_public": True, "tenants": ["p"]}),
    "a role nowhere": ("OS::Keystone::User", {"roles": [{"role": "r"}]}),
    "a redirection nowhere": ("OS::Octavia::L7Policy", {"action": "REDIRECT_TO_POOL"}),
    "a header without name": ("OS::Octavia::L7Rule", {"type": "HEADER"}),
    "a number of none": (
        "OS::Neutron::ProviderNet",
        {"network_type": "flat", "segmentation_id": "7"},
    ),
    "no number": ("OS::Neutron::ProviderNet", {"network_type": "vlan", "segmentation_id": "x"}),
    "another's image": ("OS::Glance::WebImage", {"owner": "p2"}),
}


@pytest.mark.parametrize("name", BAD)
def test_what_contradicts_itself_is_refused(name):
    """Before anything is made."""
    kind, properties = BAD[name]
    check = default_registry().get(kind).facts.check_properties
    assert check is not None
    assert check(properties) != []
