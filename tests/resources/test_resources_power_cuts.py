"""The life of 17 resources on the simulated cloud, with the power cut at every single call.

Each run cuts once: before a call, when nothing was done, or after it, when the deed is done and the
reply lost. The phase is called again with what the row held before. Whatever the moment, the same
objects are there in the middle of the story, and none at its end.
"""

import pytest

from mantle.clouds.simulated import Faults, SimulatedCloud
from mantle.model.ids import ProjectId
from mantle.resources.kit import Done

STORY = {
    "net": ("OS::Neutron::Net", {"name": "lan"}),
    "sub": ("OS::Neutron::Subnet", {"network": "$net", "cidr": "10.1.0.0/24"}),
    "group": (
        "OS::Neutron::SecurityGroup",
        {"rules": [{"protocol": "tcp"}, {"remote_mode": "remote_group_id"}]},
    ),
    "router": ("OS::Neutron::Router", {"external_gateway_info": {"network": "public"}}),
    "leg": ("OS::Neutron::RouterInterface", {"router": "$router", "subnet": "$sub"}),
    "port": ("OS::Neutron::Port", {"network": "lan", "security_groups": ["$group"]}),
    "key": ("OS::Nova::KeyPair", {"name": "k", "save_private_key": True}),
    "web": (
        "OS::Nova::Server",
        {
            "flavor": "m1.tiny",
            "image": "cirros",
            "key_name": "k",
            "networks": [{"port": "$port"}, {"subnet": "$sub"}],
        },
    ),
    "disk": ("OS::Cinder::Volume", {"size": 1}),
    "plug": ("OS::Cinder::VolumeAttachment", {"instance_uuid": "$web", "volume_id": "$disk"}),
    "lb": ("OS::Octavia::LoadBalancer", {"vip_subnet": "$sub"}),
    "ear": (
        "OS::Octavia::Listener",
        {"loadbalancer": "$lb", "protocol": "HTTP", "protocol_port": 80},
    ),
    "pool": (
        "OS::Octavia::Pool",
        {"listener": "$ear", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"},
    ),
    "member": (
        "OS::Octavia::PoolMember",
        {"pool": "$pool", "address": "10.1.0.5", "protocol_port": 80, "subnet": "$sub"},
    ),
    "probe": (
        "OS::Octavia::HealthMonitor",
        {"pool": "$pool", "delay": 1, "timeout": 1, "max_retries": 2, "type": "HTTP"},
    ),
    "address": ("OS::Neutron::FloatingIP", {"floating_network": "public"}),
    "lead": (
        "OS::Neutron::FloatingIPAssociation",
        {"floatingip_id": "$address", "port_id": "$port"},
    ),
}
CHANGES = {
    "net": {"name": "wan"},
    "web": {"image": "local", "flavor": "m1.small"},
    "disk": {"size": 2},
    "member": {"weight": 5},
    "group": {"rules": [{"protocol": "udp"}]},
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

    def __call__(self, moment, call):
        self.seen += 1
        if self.seen - 1 == self.at:
            raise self.death


def listing(cloud):
    """How many objects of each kind there are, but for the cloud's own network."""
    kinds = [kind for kind, _, name in cloud.world.listing() if name != "public-p1"]
    return {kind: kinds.count(kind) for kind in kinds}


def tell(rows, clock, cut):
    """Create, check, change, suspend, resume, delete; what there was in the middle."""
    cloud = SimulatedCloud(
        clock=clock, faults=Faults(build_seconds=2.0, delete_seconds=2.0, hook=cut)
    )
    session = cloud.session(ProjectId("p1"))
    told, references = {}, {}
    for name, (kind, properties) in STORY.items():
        wanted = filled_in(properties, references)
        row = rows(session, kind, wanted, name=name, clock=clock)
        assert isinstance(row.create(), Done), name
        assert isinstance(row.drive("check"), Done), name
        told[name] = row, wanted
        references[name] = row.reference
    middle = listing(cloud)
    for name, change in CHANGES.items():
        row, wanted = told[name]
        assert isinstance(row.update({**wanted, **change}), Done), name
    for phase in ("suspend", "resume"):
        assert isinstance(told["web"][0].drive(phase), Done)
    assert listing(cloud) == middle
    for row, _ in reversed(told.values()):
        assert isinstance(row.drive("delete"), Done), row.ref.name
    return middle, listing(cloud)


@pytest.fixture
def undisturbed(rows, clock, power_cut):
    """(the middle of the story without a cut, how many moments it has)."""
    cut = Cut(-1, power_cut)
    middle, end = tell(rows, clock, cut)
    assert end == {}
    return middle, cut.seen


def test_a_power_cut_at_any_call_doubles_nothing_and_leaves_nothing(
    undisturbed, rows, clock, power_cut
):
    """Every call of every phase, before and after the deed."""
    middle, moments = undisturbed
    assert moments > 150
    for at in range(moments):
        cut = Cut(at, power_cut)
        assert tell(rows, clock, cut) == (middle, {}), f"cut at moment {at}"
        assert cut.seen > at
