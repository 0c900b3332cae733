"""What the local cloud cannot honour, by resource type and property, known before anything runs."""

import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network

from mantle.clouds.local.addresses import MACHINE
from mantle.clouds.local.isolation import PLAIN
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.model.schema import Limitation

ONE_MACHINE = "its servers are processes of this one machine"
LEAVE_OUT = "Leave it out."

# Resource type, property, why, what to do.
NEVER: Sequence[tuple[str, str, str, str]] = (
    ("OS::Nova::ServerGroup", "", ONE_MACHINE, "Leave it out."),
    ("OS::Nova::Server", "scheduler_hints", ONE_MACHINE, LEAVE_OUT),
    ("OS::Nova::Server", "personality", "files are not injected", "Write them in user_data."),
    ("OS::Nova::Server", "diskConfig", "servers have no disk image", LEAVE_OUT),
    ("OS::Nova::Server", "reservation_id", ONE_MACHINE, LEAVE_OUT),
    ("OS::Nova::Server", "admin_pass", "servers have no log-in", LEAVE_OUT),
    ("OS::Nova::Server", "admin_user", "servers have no log-in", LEAVE_OUT),
    ("OS::Nova::Server", "networks.*.tag", "servers see no devices to tag", LEAVE_OUT),
    *(
        ("OS::Nova::Server", f"block_device_mapping_v2.*.{name}", "disks are folders", LEAVE_OUT)
        for name in (
            *("swap_size", "ephemeral_size", "ephemeral_format", "device_type", "disk_bus"),
            "volume_type",
        )
    ),
    ("OS::Nova::Server", "networks.*.allocate_network", "it has no such automatism", LEAVE_OUT),
    ("OS::Neutron::Net", "value_specs", "it has no network extensions", LEAVE_OUT),
    ("OS::Neutron::Net", "dns_domain", "it runs no name server", LEAVE_OUT),
    ("OS::Neutron::Net", "dhcp_agent_ids", "it has no agents", LEAVE_OUT),
    ("OS::Neutron::Net", "qos_policy", "the loopback range has no rates", LEAVE_OUT),
    ("OS::Neutron::Net", "availability_zone_hints", ONE_MACHINE, LEAVE_OUT),
    ("OS::Neutron::Net", "tenant_id", "objects belong to the caller's project", LEAVE_OUT),
    ("OS::Neutron::Subnet", "subnetpool", "it has no subnet pools", "Give a cidr."),
    ("OS::Neutron::Subnet", "prefixlen", "it has no subnet pools", "Give a cidr."),
    ("OS::Neutron::Subnet", "value_specs", "it has no network extensions", LEAVE_OUT),
    ("OS::Neutron::Subnet", "ipv6_ra_mode", "it has IPv4 only", LEAVE_OUT),
    ("OS::Neutron::Subnet", "ipv6_address_mode", "it has IPv4 only", LEAVE_OUT),
    ("OS::Neutron::Subnet", "host_routes", "the loopback range has no routes", LEAVE_OUT),
    ("OS::Neutron::Subnet", "segment", "it has no segments", LEAVE_OUT),
    ("OS::Neutron::Subnet", "tenant_id", "objects belong to the caller's project", LEAVE_OUT),
    ("OS::Neutron::Port", "value_specs", "it has no network extensions", LEAVE_OUT),
    ("OS::Neutron::Port", "dns_name", "it runs no name server", LEAVE_OUT),
    ("OS::Neutron::Port", "no_fixed_ips", "a port is an address here", LEAVE_OUT),
    ("OS::Neutron::Port", "qos_policy", "the loopback range has no rates", LEAVE_OUT),
    ("OS::Neutron::Port", "allowed_address_pairs", "servers do not share addresses", LEAVE_OUT),
    ("OS::Neutron::Port", "binding:vnic_type", "ports are not devices", LEAVE_OUT),
    ("OS::Neutron::Port", "propagate_uplink_status", "ports are not devices", LEAVE_OUT),
    (
        "OS::Neutron::Router",
        "external_gateway_info.external_fixed_ips",
        "the way out has no address of its own",
        LEAVE_OUT,
    ),
    ("OS::Neutron::Router", "value_specs", "it has no network extensions", LEAVE_OUT),
    ("OS::Neutron::Router", "l3_agent_id", "it has no agents", LEAVE_OUT),
    ("OS::Neutron::Router", "l3_agent_ids", "it has no agents", LEAVE_OUT),
    ("OS::Neutron::Router", "distributed", ONE_MACHINE, LEAVE_OUT),
    ("OS::Neutron::Router", "ha", ONE_MACHINE, LEAVE_OUT),
    ("OS::Neutron::Router", "availability_zone_hints", ONE_MACHINE, LEAVE_OUT),
    ("OS::Neutron::Router", "tenant_id", "objects belong to the caller's project", LEAVE_OUT),
    ("OS::Neutron::FloatingIP", "value_specs", "it has no network extensions", LEAVE_OUT),
    ("OS::Neutron::FloatingIP", "floating_subnet", "`public` has one subnet", LEAVE_OUT),
    ("OS::Neutron::FloatingIP", "dns_name", "it runs no name server", LEAVE_OUT),
    ("OS::Neutron::FloatingIP", "dns_domain", "it runs no name server", LEAVE_OUT),
    ("OS::Cinder::Volume", "scheduler_hints", ONE_MACHINE, LEAVE_OUT),
    ("OS::Cinder::Volume", "read_only", "volumes are folders that move", LEAVE_OUT),
    ("OS::Cinder::Volume", "multiattach", "a volume is in one server", LEAVE_OUT),
    ("OS::Octavia::LoadBalancer", "provider", "it has one load balancer program", LEAVE_OUT),
    ("OS::Octavia::LoadBalancer", "flavor", "it has one load balancer program", LEAVE_OUT),
    ("OS::Octavia::LoadBalancer", "availability_zone", ONE_MACHINE, LEAVE_OUT),
    ("OS::Octavia::LoadBalancer", "tenant_id", "objects belong to the caller's project", LEAVE_OUT),
    ("OS::Octavia::Listener", "default_tls_container_ref", "it keeps no certificates", LEAVE_OUT),
    ("OS::Octavia::Listener", "sni_container_refs", "it keeps no certificates", LEAVE_OUT),
    ("OS::Octavia::Listener", "tenant_id", "objects belong to the caller's project", LEAVE_OUT),
    ("OS::Octavia::Pool", "tls_enabled", "it keeps no certificates", LEAVE_OUT),
    (
        "OS::Octavia::HealthMonitor",
        "tenant_id",
        "objects belong to the caller's project",
        LEAVE_OUT,
    ),
    ("OS::Nova::KeyPair", "user", "key pairs belong to the project", LEAVE_OUT),
)


# With Caddy instead of HAProxy.
NOT_WITH_CADDY: Sequence[tuple[str, str, str, str]] = tuple(
    (resource_type, path, "its load balancer, Caddy, has no such setting", "Install HAProxy.")
    for resource_type, path in (
        ("OS::Octavia::Listener", "connection_limit"),
        ("OS::Octavia::PoolMember", "monitor_address"),
        ("OS::Octavia::PoolMember", "monitor_port"),
    )
)

# Where servers share this machine's files.
NOT_IN_PLAIN: Sequence[tuple[str, str, str, str]] = (
    (
        "OS::Neutron::Subnet",
        "dns_nameservers",
        "without bubblewrap its servers use this machine's resolver",
        LEAVE_OUT,
    ),
)

# Resource type and switch, where one position has no meaning on the loopback range.
SWITCHES: Sequence[tuple[str, str, bool]] = (
    ("OS::Neutron::Net", "admin_state_up", False),
    ("OS::Neutron::Net", "shared", True),
    ("OS::Neutron::Port", "admin_state_up", False),
    ("OS::Neutron::Router", "admin_state_up", False),
    ("OS::Neutron::SecurityGroup", "stateful", False),
)


def limitations(balancer: str, tier: str, first_port: int) -> tuple[Limitation, ...]:
    """All of them, with the programs and the lowest port found on this machine."""
    weak = NOT_WITH_CADDY if balancer == "Caddy" else ()
    shared = NOT_IN_PLAIN if tier == PLAIN else ()
    return (
        *(_never(*row) for row in (*NEVER, *weak, *shared)),
        *(_switch(*row) for row in SWITCHES),
        *(_never(name, "", f"it has no {noun}s", LEAVE_OUT) for name, noun in _plain()),
        *_only_these(balancer),
        Limitation(
            resource_type="OS::Octavia::Listener",
            path="protocol_port",
            why=f"this user may not listen below port {first_port}",
            remedy="Use a port such as 8080, or 0 < net.ipv4.ip_unprivileged_port_start.",
            below=first_port,
        ),
    )


def _plain() -> Iterable[tuple[str, str]]:
    """Types that only a cloud of many machines and projects has, with their nouns."""
    for kind in KINDS.values():
        yield from ((name, kind.noun) for name in kind.types)
    for other in SETTINGS.values():
        yield from ((name, other.noun) for name in other.types)
    yield "OS::Neutron::ProviderNet", "provider network"


def _never(resource_type: str, path: str, why: str, remedy: str) -> Limitation:
    return Limitation(
        resource_type=resource_type,
        path=path,
        why=f"the local cloud cannot honour it: {why}",
        remedy=remedy,
    )


def _switch(resource_type: str, path: str, refused: bool) -> Limitation:
    return Limitation(
        resource_type=resource_type,
        path=path,
        why="the local cloud cannot honour it: on the loopback range it would change nothing",
        remedy=f"Use {str(not refused).lower()}.",
        values=(refused,),
    )


def _only_these(balancer: str) -> Iterable[Limitation]:
    """Properties of which some values work."""
    weak = balancer == "Caddy"
    protocols = ("UDP", "SCTP", "TERMINATED_HTTPS", "PROXY", "PROXYV2", "PROMETHEUS")
    refused = (*protocols, "TCP", "HTTPS") if weak else protocols
    remedy = (
        "Use HTTP; with HAProxy installed also TCP and HTTPS."
        if weak
        else ("Use HTTP, TCP or HTTPS (passed through).")
    )
    why = f"the local cloud's load balancer ({balancer}) does not offer it"
    for resource_type in ("OS::Octavia::Listener", "OS::Octavia::Pool"):
        yield Limitation(
            resource_type=resource_type, path="protocol", why=why, remedy=remedy, values=refused
        )
    yield Limitation(
        resource_type="OS::Octavia::HealthMonitor",
        path="type",
        why=why,
        remedy="Use HTTP." if weak else "Use HTTP or TCP.",
        values=("PING", "HTTPS", "TLS-HELLO", "UDP-CONNECT", "SCTP", *(("TCP",) if weak else ())),
    )
    yield Limitation(
        resource_type="OS::Neutron::Subnet",
        path="ip_version",
        why="the local cloud has IPv4 only",
        remedy="Use 4.",
        values=(6,),
    )
    yield Limitation(
        resource_type="OS::Nova::Server",
        path="config_drive",
        why="the local cloud's servers have no drives",
        remedy="Read the metadata service at $MANTLE_METADATA_URL.",
        values=(True,),
    )
    yield Limitation(
        resource_type="OS::Nova::KeyPair",
        path="type",
        why="the local cloud has ssh keys only",
        remedy="Use ssh.",
        values=("x509",),
    )


def first_bindable_port(address: str) -> int:
    """The lowest port this user may listen on, found by trying port 1."""
    with socket.socket() as trial:
        try:
            trial.bind((address, 1))
        except PermissionError:
            return 1024
        except OSError:
            return 1  # taken, so it was allowed
    return 1


def loopback_works(block: IPv4Network) -> str:
    """Why addresses of the block cannot be used, or nothing: only Linux has them without set-up."""
    trial_address = block[1] if block[1] != MACHINE else block[2]
    with socket.socket() as trial:
        try:
            trial.bind((str(trial_address), 0))
        except OSError as problem:
            return f"{trial_address} cannot be used: {problem}"
    return ""
