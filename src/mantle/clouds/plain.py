"""Kinds of objects and settings that are little more than their fields: one row each. Pure.

Most of what OpenStack has beside servers, networks and volumes is a collection of records: a name,
a few fields, the ids of others. A cloud that serves such a kind needs no code for it, only the row
here and what its own table adds (`openstack/plain_tables.py`). A row names the resource types that
are made of it, so that a cloud without it can say so when a template is validated.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainKind:
    """One kind of plain object."""

    name: str
    """`qos_policies`"""
    noun: str
    service: str
    """As in the catalog: `network`."""
    types: tuple[str, ...]
    """The resource types that are made of it."""
    refers: Mapping[str, str] = field(default_factory=dict)
    """Field to the collection or plain kind whose object it names, which is then in use."""
    parent: str = ""
    """The plain kind that it lives below."""
    once: tuple[str, ...] = ()
    """Fields that only one object (of a parent) can have together, where nothing of it can hold a
    token. `name` and `parent_id` are such fields, too."""
    everybodys: bool = False
    """The cloud's, not a project's: what bears no mark is somebody else's."""
    extension: str = ""
    """Neutron's name of the extension that serves it, where not every Neutron does."""
    secrets: tuple[str, ...] = ()
    """Fields that are told and never shown."""
    given_id: str = ""
    """The field whose value is the id, where people choose it."""
    tells: Mapping[str, str] = field(default_factory=dict)
    """Field to kind of setting: what is set by requests of its own and told with the object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingKind:
    """One kind of setting."""

    name: str
    noun: str
    service: str
    types: tuple[str, ...]
    extension: str = ""


def _by_name(*kinds: PlainKind) -> Mapping[str, PlainKind]:
    return {each.name: each for each in kinds}


def _qos_rule(name: str, noun: str, kind: str, *, both: bool, extension: str = "qos") -> PlainKind:
    return PlainKind(
        name=name,
        noun=noun,
        service="network",
        types=(f"OS::Neutron::{kind}",),
        parent="qos_policies",
        once=("parent_id", "direction") if both else ("parent_id",),
        extension=extension,
    )


NET, COMPUTE, VOLUME, IDENTITY = "network", "compute", "block-storage", "identity"
BALANCER, IMAGE = "load-balancer", "image"

KINDS: Mapping[str, PlainKind] = _by_name(
    # --- Neutron -----------------------------------------------------------------------------
    PlainKind(
        name="qos_policies",
        noun="QoS policy",
        service=NET,
        types=("OS::Neutron::QoSPolicy",),
        extension="qos",
    ),
    _qos_rule("bandwidth_limit_rules", "bandwidth limit", "QoSBandwidthLimitRule", both=True),
    _qos_rule("dscp_marking_rules", "DSCP mark", "QoSDscpMarkingRule", both=False),
    _qos_rule("minimum_bandwidth_rules", "minimum bandwidth", "QoSMinimumBandwidthRule", both=True),
    _qos_rule(
        "minimum_packet_rate_rules",
        "minimum packet rate",
        "QoSMinimumPacketRateRule",
        both=True,
        extension="qos-pps-minimum",
    ),
    PlainKind(
        name="rbac_policies",
        noun="RBAC policy",
        service=NET,
        types=("OS::Neutron::RBACPolicy",),
        once=("object_type", "object_id", "action", "target_tenant"),
        extension="rbac-policies",
    ),
    PlainKind(
        name="address_scopes",
        noun="address scope",
        service=NET,
        types=("OS::Neutron::AddressScope",),
        once=("name", "ip_version"),
        extension="address-scope",
    ),
    PlainKind(
        name="subnet_pools",
        noun="subnet pool",
        service=NET,
        types=("OS::Neutron::SubnetPool",),
        refers={"address_scope_id": "address_scopes"},
        extension="subnet_allocation",
    ),
    PlainKind(
        name="segments",
        noun="segment",
        service=NET,
        types=("OS::Neutron::Segment",),
        refers={"network_id": "networks"},
        extension="segment",
    ),
    PlainKind(
        name="trunks",
        noun="trunk",
        service=NET,
        types=("OS::Neutron::Trunk",),
        refers={"port_id": "ports"},
        extension="trunk",
        tells={"sub_ports": "trunk_ports"},
    ),
    PlainKind(
        name="metering_labels",
        noun="metering label",
        service=NET,
        types=("OS::Neutron::MeteringLabel",),
        extension="metering",
    ),
    PlainKind(
        name="metering_rules",
        noun="metering rule",
        service=NET,
        types=("OS::Neutron::MeteringRule",),
        refers={"metering_label_id": "metering_labels"},
        once=("metering_label_id", "remote_ip_prefix", "direction"),
        extension="metering",
    ),
    PlainKind(
        name="security_group_rules",
        noun="security group rule",
        service=NET,
        types=("OS::Neutron::SecurityGroupRule",),
        refers={"security_group_id": "security_groups", "remote_group_id": "security_groups"},
    ),
    PlainKind(
        name="port_forwardings",
        noun="port forwarding",
        service=NET,
        types=("OS::Neutron::FloatingIPPortForward",),
        refers={"internal_port_id": "ports"},
        parent="floating_ips",
        extension="floating-ip-port-forwarding",
    ),
    # --- Nova --------------------------------------------------------------------------------
    PlainKind(
        name="flavors",
        noun="flavor",
        service=COMPUTE,
        types=("OS::Nova::Flavor",),
        everybodys=True,
        tells={"extra_specs": "flavor_specs"},
    ),
    PlainKind(
        name="host_aggregates",
        noun="host aggregate",
        service=COMPUTE,
        types=("OS::Nova::HostAggregate",),
        once=("name",),
        everybodys=True,
        tells={"hosts": "aggregate_hosts", "metadata": "aggregate_metadata"},
    ),
    # --- Cinder ------------------------------------------------------------------------------
    PlainKind(
        name="volume_types",
        noun="volume type",
        service=VOLUME,
        types=("OS::Cinder::VolumeType",),
        everybodys=True,
        tells={"extra_specs": "type_specs"},
    ),
    PlainKind(
        name="qos_specs",
        noun="QoS specs",
        service=VOLUME,
        types=("OS::Cinder::QoSSpecs",),
        once=("name",),
        everybodys=True,
        tells={"specs": "qos_specs_values"},
    ),
    # --- Glance ------------------------------------------------------------------------------
    PlainKind(name="images", noun="image", service=IMAGE, types=("OS::Glance::WebImage",)),
    # --- Keystone ----------------------------------------------------------------------------
    *(
        PlainKind(
            name=name,
            noun=noun,
            service=IDENTITY,
            types=(f"OS::Keystone::{kind}",),
            everybodys=True,
            refers=refers,
            given_id="id" if name == "regions" else "",
            secrets=("password",) if name == "users" else (),
        )
        for name, noun, kind, refers in (
            ("domains", "domain", "Domain", NOTHING),
            ("projects", "project", "Project", NOTHING),
            ("groups", "group", "Group", NOTHING),
            ("users", "user", "User", NOTHING),
            ("roles", "role", "Role", NOTHING),
            ("regions", "region", "Region", {"parent_region_id": "regions"}),
            ("services", "service", "Service", NOTHING),
            (
                "endpoints",
                "endpoint",
                "Endpoint",
                {"service_id": "services", "region_id": "regions"},
            ),
        )
    ),
    # --- Octavia -----------------------------------------------------------------------------
    PlainKind(
        name="l7_policies",
        noun="L7 policy",
        service=BALANCER,
        types=("OS::Octavia::L7Policy",),
        refers={"listener_id": "listeners", "redirect_pool_id": "pools"},
    ),
    PlainKind(
        name="l7_rules",
        noun="L7 rule",
        service=BALANCER,
        types=("OS::Octavia::L7Rule",),
        parent="l7_policies",
    ),
    PlainKind(
        name="balancer_flavor_profiles",
        noun="flavor profile",
        service=BALANCER,
        types=("OS::Octavia::FlavorProfile",),
        once=("name",),
        everybodys=True,
    ),
    PlainKind(
        name="balancer_flavors",
        noun="load balancer flavor",
        service=BALANCER,
        types=("OS::Octavia::Flavor",),
        refers={"flavor_profile_id": "balancer_flavor_profiles"},
        everybodys=True,
    ),
    PlainKind(
        name="balancer_zone_profiles",
        noun="availability zone profile",
        service=BALANCER,
        types=("OS::Octavia::AvailabilityZoneProfile",),
        once=("name",),
        everybodys=True,
    ),
    PlainKind(
        name="balancer_zones",
        noun="availability zone",
        service=BALANCER,
        types=("OS::Octavia::AvailabilityZone",),
        refers={"availability_zone_profile_id": "balancer_zone_profiles"},
        everybodys=True,
        given_id="name",
    ),
)

CLOUDWIDE = frozenset(name for kind in KINDS.values() if kind.everybodys for name in kind.types)
"""Types whose objects are the cloud's and not a project's: all projects see the same ones."""

SETTINGS: Mapping[str, SettingKind] = {
    each.name: each
    for each in (
        # Parts of plain objects that their services set by requests of their own.
        *(
            SettingKind(name=name, noun=noun, service=service, types=())
            for name, noun, service in (
                ("flavor_specs", "extra spec", COMPUTE),
                ("flavor_access", "flavor access", COMPUTE),
                ("aggregate_hosts", "host of an aggregate", COMPUTE),
                ("aggregate_metadata", "metadata of an aggregate", COMPUTE),
                ("type_specs", "extra spec", VOLUME),
                ("type_access", "volume type access", VOLUME),
                ("qos_specs_values", "QoS spec", VOLUME),
                ("user_groups", "group membership", IDENTITY),
                ("image_members", "image member", IMAGE),
                ("trunk_ports", "port of a trunk", NET),
            )
        ),
        SettingKind(
            name="compute_quotas",
            noun="compute quota",
            service=COMPUTE,
            types=("OS::Nova::Quota",),
        ),
        SettingKind(
            name="volume_quotas", noun="volume quota", service=VOLUME, types=("OS::Cinder::Quota",)
        ),
        SettingKind(
            name="network_quotas",
            noun="network quota",
            service=NET,
            types=("OS::Neutron::Quota",),
            extension="quotas",
        ),
        SettingKind(
            name="balancer_quotas",
            noun="load balancer quota",
            service=BALANCER,
            types=("OS::Octavia::Quota",),
        ),
        SettingKind(
            name="user_roles",
            noun="role assignment",
            service=IDENTITY,
            types=("OS::Keystone::UserRoleAssignment",),
        ),
        SettingKind(
            name="group_roles",
            noun="role assignment",
            service=IDENTITY,
            types=("OS::Keystone::GroupRoleAssignment",),
        ),
        SettingKind(
            name="extra_routes",
            noun="extra route",
            service=NET,
            types=("OS::Neutron::ExtraRoute", "OS::Neutron::ExtraRouteSet"),
            extension="extraroute-atomic",
        ),
        SettingKind(
            name="router_gateways",
            noun="router gateway",
            service=NET,
            types=("OS::Neutron::RouterGateway",),
        ),
        SettingKind(
            name="type_encryptions",
            noun="volume type's encryption",
            service=VOLUME,
            types=("OS::Cinder::EncryptedVolumeType",),
        ),
        SettingKind(
            name="qos_associations",
            noun="QoS association",
            service=VOLUME,
            types=("OS::Cinder::QoSAssociation",),
        ),
    )
}
