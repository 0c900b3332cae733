"""OS::Neutron::Trunk and others: what ports, networks, groups and addresses can have besides."""

from collections.abc import Mapping
from typing import Any

from mantle.model.schema import Kind, Neighbourhood
from mantle.resources.inverse import Peers
from mantle.resources.kit import Context
from mantle.resources.neutron.security_group import PROTOCOLS
from mantle.resources.plain import named, plain, to
from mantle.resources.plain_sheets import Part, Sheet, To
from mantle.resources.schemas import boolean, integer, maps, schema, string

NETWORK_TYPES = ("local", "vlan", "vxlan", "gre", "geneve", "flat")


async def _sub_ports(ctx: Context, value: Any) -> Mapping[str, Any]:
    """Port id to its tag: `vlan 100`."""
    ports = named("ports")
    return {
        await ports(ctx, each["port"]): f"{each['segmentation_type']} {each['segmentation_id']}"
        for each in value or ()
    }


def _told_ports(value: Any, peers: Peers) -> Any:
    return [
        {
            "port": peers("OS::Neutron::Port", each["port_id"]),
            "segmentation_type": each["segmentation_type"],
            "segmentation_id": each["segmentation_id"],
        }
        for each in value or ()
    ]


def _tags(properties: Mapping[str, Any]) -> list[str]:
    """No tag twice, and the parent is not its own child."""
    entries = properties.get("sub_ports")
    known = (
        [each for each in (entries or ()) if isinstance(each, Mapping)]
        if isinstance(entries, list)
        else []
    )
    ids = [each.get("segmentation_id") for each in known]
    twice = sorted({each for each in ids if isinstance(each, int) and ids.count(each) > 1})
    problems = [f"sub_ports: segmentation_id {each} is given twice." for each in twice]
    port = properties.get("port")
    if isinstance(port, str) and any(each.get("port") == port for each in known):
        problems.append("sub_ports: the trunk's own port is among them. Leave it out.")
    return problems


TRUNK = Sheet(
    schema=schema(
        "OS::Neutron::Trunk",
        "Leads several networks to one server through one port, told apart by tags.",
        {
            "name": string("The name.", update=True),
            "port": string(
                "The server's port, by name or id.", required=True, custom="neutron.port"
            ),
            "sub_ports": maps(
                "The ports of the other networks.",
                {
                    "port": string("By name or id.", required=True, custom="neutron.port"),
                    "segmentation_type": string(
                        "How it is told apart.", required=True, allowed=("vlan",)
                    ),
                    "segmentation_id": integer("The tag.", required=True, low=1, high=4094),
                },
                update=True,
            ),
            "description": string("What it is for.", update=True),
            "admin_state_up": boolean("Whether it carries traffic.", update=True),
        },
        {"port_id": (Kind.STRING, "The server's port.")},
        since="9.0.0",
    ),
    kind="trunks",
    fields={
        "port": to("port_id", "ports", "OS::Neutron::Port"),
        "description": "description",
        "admin_state_up": "admin_state_up",
    },
    parts={
        "sub_ports": Part(
            setting="trunk_ports", values=_sub_ports, told="sub_ports", back=_told_ports
        )
    },
    check=_tags,
)

SEGMENT = Sheet(
    schema=schema(
        "OS::Neutron::Segment",
        "A part of a network that is one layer 2.",
        {
            "network": string(
                "The network, by name or id.", required=True, custom="neutron.network"
            ),
            "network_type": string("How it is built.", required=True, allowed=NETWORK_TYPES),
            "physical_network": string("What it is built on."),
            "segmentation_id": integer("Its number there.", low=1),
            "name": string("The name.", update=True),
            "description": string("What it is for.", update=True),
        },
        since="9.0.0",
    ),
    kind="segments",
    fields={
        "network": to("network_id", "networks", "OS::Neutron::Net"),
        "network_type": "network_type",
        "physical_network": "physical_network",
        "segmentation_id": "segmentation_id",
        "description": "description",
    },
    admin_only=True,
)

LABEL = Sheet(
    schema=schema(
        "OS::Neutron::MeteringLabel",
        "Counts the traffic that its rules choose.",
        {
            "name": string("The name."),
            "description": string("What it is for."),
            "shared": boolean("Whether it counts for all projects.", default=False),
        },
        {
            "description": (Kind.STRING, "What it is for."),
            "name": (Kind.STRING, "The name."),
            "shared": (Kind.STRING, "Whether it counts for all projects."),
        },
        since="2014.1",
    ),
    kind="metering_labels",
    fields={"description": "description", "shared": "shared"},
)

METERING_RULE = Sheet(
    schema=schema(
        "OS::Neutron::MeteringRule",
        "Which traffic a metering label counts.",
        {
            "metering_label_id": string("The label, by name or id.", required=True),
            "remote_ip_prefix": string("The other side.", required=True),
            "direction": string("Which way.", default="ingress", allowed=("ingress", "egress")),
            "excluded": boolean("Whether it is left out instead.", default=False),
        },
        {
            "direction": (Kind.STRING, "Which way."),
            "excluded": (Kind.STRING, "Whether it is left out."),
            "metering_label_id": (Kind.STRING, "The label."),
            "remote_ip_prefix": (Kind.STRING, "The other side."),
        },
        since="2014.1",
    ),
    kind="metering_rules",
    fields={
        "metering_label_id": to(
            "metering_label_id", "metering_labels", "OS::Neutron::MeteringLabel"
        ),
        "remote_ip_prefix": "remote_ip_prefix",
        "direction": "direction",
        "excluded": "excluded",
    },
    named=False,
)


def after_interfaces(_: Mapping[str, Any], others: Neighbourhood) -> tuple[str, ...]:
    """The way to the port must exist."""
    return tuple(others.names("OS::Neutron::RouterInterface"))


FORWARDING = Sheet(
    schema=schema(
        "OS::Neutron::FloatingIPPortForward",
        "Leads one port of a floating address to one of a server's.",
        {
            "internal_ip_address": string(
                "The server's address.", required=True, custom="ip_addr", update=True
            ),
            "internal_port_number": integer("The port there.", low=1, high=65535, update=True),
            "external_port": integer(
                "The floating address's port.", required=True, low=1, high=65535, update=True
            ),
            "internal_port": string(
                "The server's interface, by name or id.",
                required=True,
                custom="neutron.port",
                update=True,
            ),
            "protocol": string(
                "The protocol.",
                required=True,
                allowed=("tcp", "udp", "icmp", "icmp6", "sctp", "dccp"),
                update=True,
            ),
            "floating_ip": string("The floating address's id.", required=True),
        },
        since="19.0.0",
    ),
    kind="port_forwardings",
    fields={
        "internal_ip_address": "internal_ip_address",
        "internal_port_number": "internal_port",
        "external_port": "external_port",
        "internal_port": to("internal_port_id", "ports", "OS::Neutron::Port"),
        "protocol": "protocol",
    },
    parent=("floating_ip", named("floating_ips")),
    named=False,
    neighbours=after_interfaces,
)


def _ports(properties: Mapping[str, Any]) -> list[str]:
    """The range begins before it ends, and there is one other side."""
    first, last = properties.get("port_range_min"), properties.get("port_range_max")
    problems = []
    if isinstance(first, int) and isinstance(last, int) and first > last:
        problems.append(f"port_range_min {first} is above port_range_max {last}. Swap them.")
    if properties.get("remote_group") and properties.get("remote_ip_prefix"):
        problems.append("Only one of remote_group and remote_ip_prefix may be given.")
    return problems


def _told_protocol(fields: Mapping[str, Any], _: Peers) -> Any:
    return fields.get("protocol") or "0"


async def _protocol(_: Context, value: Any) -> Any:
    """0 is any, as Neutron says it by saying nothing."""
    return None if value in {"0", "any"} else value


GROUP_RULE = Sheet(
    schema=schema(
        "OS::Neutron::SecurityGroupRule",
        "One allowed kind of traffic, of a security group that may be another stack's.",
        {
            "security_group": string(
                "The group, by name or id.", required=True, custom="neutron.security_group"
            ),
            "description": string("What it is for."),
            "direction": string("Which way.", default="ingress", allowed=("ingress", "egress")),
            "ethertype": string("4 or 6.", default="IPv4", allowed=("IPv4", "IPv6")),
            "port_range_min": integer("The first port.", low=0, high=65535),
            "port_range_max": integer("The last port.", low=0, high=65535),
            "protocol": string(
                "The protocol, by name or number.", default="tcp", allowed=PROTOCOLS
            ),
            "remote_group": string(
                "The other side's group, by name or id.", custom="neutron.security_group"
            ),
            "remote_ip_prefix": string("The other side's addresses.", custom="net_cidr"),
        },
        since="7.0.0",
    ),
    kind="security_group_rules",
    fields={
        "security_group": to("security_group_id", "security_groups", "OS::Neutron::SecurityGroup"),
        "description": "description",
        "direction": "direction",
        "ethertype": "ethertype",
        "port_range_min": "port_range_min",
        "port_range_max": "port_range_max",
        "protocol": To(name="protocol", resolve=_protocol, back=_told_protocol),
        "remote_group": to("remote_group_id", "security_groups", "OS::Neutron::SecurityGroup"),
        "remote_ip_prefix": "remote_ip_prefix",
    },
    named=False,
    check=_ports,
)

TYPES = tuple(
    plain(each) for each in (TRUNK, SEGMENT, LABEL, METERING_RULE, FORWARDING, GROUP_RULE)
)
