"""What Mantle asks of a cloud.

A cloud offers *collections*: servers, networks, volumes and so on. Each collection has the same six
verbs over frozen specs and objects, so that a resource type is a mapping from properties to a spec,
and one contract suite (`tests/contract`) runs over every cloud.

Rules that hold for every implementation, and that the contract suite proves:

- `create(spec, token)` is safe to repeat: with a token already used in this project it answers the
  object made before. `find(token)` answers that object or None.
- `get`, `update` and `delete` of an object that is not there, or is another project's, raise
  `Missing`. Deleting is asynchronous where the cloud is: poll `get` until `Missing`.
- A created object may be BUILDING; poll `get` until it is ACTIVE or ERROR (`fault` says why).
- `update(id, spec)` takes the whole desired spec and applies the difference.
- Nothing blocks the event loop, and every failure is one of the errors below.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from mantle.model.ids import ProjectId, Token, UserId
from mantle.model.schema import Limitation


class CloudError(Exception):
    """A cloud refused or failed. `str()` names the service and the call, never a secret."""

    retryable = False

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Missing(CloudError):
    """No such object in this project. For a delete this is success."""


class Clash(CloudError):
    """The object is in use or in a state that forbids the call; trying later may work."""

    retryable = True


class Refused(CloudError):
    """The request is wrong in itself: no such flavor, an address outside its subnet."""


class Exhausted(CloudError):
    """A quota or the capacity is used up; it helps to free something or to ask for more."""


class Denied(CloudError):
    """The credentials do not allow the call."""


class Unavailable(CloudError):
    """The cloud did not answer, or answered with a passing fault. The deed may have been done."""

    retryable = True


class ObjectStatus(StrEnum):
    """The states of any cloud's objects, mapped to ours in one table per cloud."""

    BUILDING = "BUILDING"
    ACTIVE = "ACTIVE"
    STOPPED = "STOPPED"
    SUSPENDED = "SUSPENDED"
    DELETING = "DELETING"
    ERROR = "ERROR"


class Power(StrEnum):
    """Vendor-neutral power verbs."""

    ON = "on"
    OFF = "off"
    REBOOT = "reboot"
    """As the server's own system does it."""
    HARD_REBOOT = "hard-reboot"
    """As the power switch does it: also of a server in ERROR, or that does not listen."""
    SUSPEND = "suspend"
    RESUME = "resume"


class Move(StrEnum):
    """How a server comes to another host."""

    COLD = "migrate"
    """It is switched off for it, and on again."""
    LIVE = "live-migrate"
    """It goes on running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudObject:
    """What every object of every collection says about itself."""

    id: str
    name: str
    token: Token
    status: ObjectStatus = ObjectStatus.ACTIVE
    fault: str = ""
    """Why it is in ERROR, with the end of the console log for a server whose boot failed."""
    created_at: float = 0.0


GIVEN = "given-"
"""How the tokens begin of what a cloud gives to every project, such as its first network."""


# --- compute ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    """One network interface a server asks for: an existing port, or a network to make one on."""

    port_id: str | None = None
    network_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None
    """What the server's system knows the device by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockDevice:
    """One disk a server boots with."""

    volume_id: str | None = None
    image: str | None = None
    snapshot_id: str | None = None
    size_gib: int | None = None
    boot_index: int | None = None
    device_name: str | None = None
    delete_on_termination: bool = False
    swap_mib: int | None = None
    """Swap on the host's own disk, within what the flavor allows; so is the next."""
    ephemeral_gib: int | None = None
    ephemeral_format: str | None = None
    device_type: str | None = None
    disk_bus: str | None = None
    volume_type: str | None = None
    """Of a volume that is made for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """A server to be. `flavor` and `image` are names or ids; `user_data` is the boot script."""

    name: str
    flavor: str
    image: str | None = None
    key_name: str | None = None
    user_data: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    nics: tuple[Nic, ...] = ()
    no_nics: bool = False
    """None is wanted, also where the cloud would choose one."""
    disk_config: str | None = None
    """How the disk is partitioned: AUTO or MANUAL."""
    """Empty: one interface on the project's default network."""
    security_groups: tuple[str, ...] = ()
    block_devices: tuple[BlockDevice, ...] = ()
    availability_zone: str | None = None
    config_drive: bool | None = None
    scheduler_hints: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    admin_password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One address of a server, as Nova lists it."""

    address: str
    network: str
    version: int = 4
    type: str = "fixed"
    """`fixed` or `floating`."""
    mac_address: str = ""
    port_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server(CloudObject):
    """A server that is."""

    spec: ServerSpec
    addresses: tuple[Address, ...] = ()
    host: str = ""
    instance_name: str = ""
    console_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroupSpec:
    """A rule for where servers run. Servers join it by the scheduler hint `group`."""

    name: str
    policy: str
    """`affinity` or `anti-affinity`, strictly or `soft-`."""
    max_servers_per_host: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGroup(CloudObject):
    """A server group that is."""

    spec: ServerGroupSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPairSpec:
    """A key pair; without `public_key` the cloud makes one and answers the private key once."""

    name: str
    public_key: str | None = None
    type: str = "ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPair(CloudObject):
    """A key pair. `id` is its name. `private_key` is filled by `create` only."""

    public_key: str
    fingerprint: str
    private_key: str = ""
    type: str = "ssh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavor:
    """A size a server can have."""

    id: str
    name: str
    vcpus: int
    ram_mib: int
    disk_gib: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """Something a server can boot."""

    id: str
    name: str
    description: str = ""
    min_ram_mib: int = 0


# --- what servers run on ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that was done to a server, as its cloud remembers it."""

    id: str
    verb: str
    """`reboot` (hard ones, too), `resize`, `migrate`, `live-migrate`; else the cloud's words."""
    at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A machine that servers run on, as it is now."""

    name: str
    kind: str
    """What runs the servers: `QEMU`, `local`, …"""
    up: bool
    enabled: bool
    """Whether it gets new servers."""
    reason: str = ""
    """Why it does not."""
    zone: str = ""
    vcpus: int = 0
    vcpus_used: int = 0
    ram_mib: int = 0
    ram_used_mib: int = 0
    servers: int = 0
    """Of all projects."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudService:
    """A process of the cloud's own, as it is now. The id's first part says whose it is."""

    id: str
    name: str
    """`nova-compute`, `cinder-volume`, `Open vSwitch agent`, …"""
    host: str
    up: bool
    enabled: bool
    reason: str = ""
    zone: str = ""
    seen_at: float = 0.0
    """Seconds since the epoch; 0 when the cloud does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """A server on a host, of whatever project."""

    id: str
    name: str


# --- network ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network to be."""

    name: str
    admin_state_up: bool = True
    shared: bool = False
    port_security_enabled: bool | None = None
    mtu: int | None = None
    dns_domain: str = ""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """What only some clouds have a notion of, as its service is told (`resources/extras.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network(CloudObject):
    """A network that is. `external` networks hand out floating addresses."""

    spec: NetworkSpec
    subnet_ids: tuple[str, ...] = ()
    external: bool = False
    mtu: int = 1500
    more: Mapping[str, Any] = field(default_factory=dict)
    """What only some clouds say, in their service's words: `qos_policy_id`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSpec:
    """A subnet to be; addresses are text."""

    name: str
    network_id: str
    cidr: str
    ip_version: int = 4
    gateway_ip: str | None = None
    """None lets the cloud choose the first host; the empty text means no gateway."""
    enable_dhcp: bool = True
    allocation_pools: tuple[tuple[str, str], ...] = ()
    dns_nameservers: tuple[str, ...] = ()
    host_routes: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet(CloudObject):
    """A subnet that is, with what the cloud chose filled in."""

    spec: SubnetSpec
    gateway_ip: str = ""
    allocation_pools: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedIp:
    """An address on a subnet; either part may be left to the cloud in a request."""

    subnet_id: str | None = None
    ip_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """A port to be."""

    name: str
    network_id: str
    fixed_ips: tuple[FixedIp, ...] = ()
    security_groups: tuple[str, ...] | None = None
    """None means the project's default group."""
    admin_state_up: bool = True
    mac_address: str | None = None
    device_id: str = ""
    device_owner: str = ""
    allowed_address_pairs: tuple[tuple[str, str], ...] = ()
    port_security_enabled: bool | None = None
    dns_name: str = ""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port(CloudObject):
    """A port that is. Its `fixed_ips` have both parts."""

    spec: PortSpec
    fixed_ips: tuple[FixedIp, ...] = ()
    mac_address: str = ""
    device_id: str = ""
    device_owner: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What only some clouds say, in their service's words: `dns_assignment`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSpec:
    """A router to be."""

    name: str
    admin_state_up: bool = True
    external_network_id: str | None = None
    enable_snat: bool | None = None
    external_fixed_ips: tuple[FixedIp, ...] = ()
    """The router's own addresses out there; empty lets the cloud choose."""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Router(CloudObject):
    """A router that is."""

    spec: RouterSpec
    external_fixed_ips: tuple[FixedIp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterInterfaceSpec:
    """Connects a router to a subnet, or to a port made before. Exactly one is given."""

    router_id: str
    subnet_id: str | None = None
    port_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterInterface(CloudObject):
    """A connection that is. Its id is Heat's: `{router_id}:subnet_id={id}`, or `…:port_id={id}`."""

    spec: RouterInterfaceSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityRule:
    """One allowed kind of traffic."""

    direction: str = "ingress"
    ethertype: str = "IPv4"
    protocol: str | None = None
    port_min: int | None = None
    port_max: int | None = None
    remote_ip_prefix: str | None = None
    remote_group_id: str | None = None
    description: str = ""
    """For people only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroupSpec:
    """A security group to be, with all its rules (the cloud's own egress defaults are kept)."""

    name: str
    description: str = ""
    rules: tuple[SecurityRule, ...] = ()
    stateful: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityGroup(CloudObject):
    """A security group that is."""

    spec: SecurityGroupSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpSpec:
    """A floating address to be, and the port it leads to, if any."""

    network_id: str
    """The external network, by name or id."""
    port_id: str | None = None
    fixed_ip_address: str | None = None
    address: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIp(CloudObject):
    """A floating address that is."""

    spec: FloatingIpSpec
    address: str
    port_id: str | None = None
    fixed_ip_address: str | None = None
    router_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpAssociationSpec:
    """Leads an existing floating address to a port."""

    floating_ip_id: str
    port_id: str
    fixed_ip_address: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatingIpAssociation(CloudObject):
    """An association that is; deleting it leaves the address. Its id is the floating ip's id."""

    spec: FloatingIpAssociationSpec


# --- volumes ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """A volume to be; exactly one source, or none for an empty one."""

    name: str
    size_gib: int
    description: str = ""
    volume_type: str | None = None
    availability_zone: str | None = None
    image: str | None = None
    snapshot_id: str | None = None
    source_volume_id: str | None = None
    backup_id: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(CloudObject):
    """A volume that is. Attached ones list the servers."""

    spec: VolumeSpec
    attached_to: tuple[str, ...] = ()
    bootable: bool = False
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeAttachmentSpec:
    """Puts a volume into a server; `mountpoint` is a device name such as /dev/vdb."""

    server_id: str
    volume_id: str
    mountpoint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeAttachment(CloudObject):
    """An attachment that is; its id is the volume's id, as Nova's."""

    spec: VolumeAttachmentSpec
    device: str = ""


# --- what is kept: copies of what volumes and servers hold ------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSnapshotSpec:
    """What a volume holds, to be kept. The volume cannot be deleted while its snapshot exists."""

    name: str
    volume_id: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSnapshot(CloudObject):
    """A snapshot that is; new volumes are copied from it."""

    spec: VolumeSnapshotSpec
    size_gib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeBackupSpec:
    """What a volume holds, to be kept for itself: a backup outlives its volume."""

    name: str
    volume_id: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeBackup(CloudObject):
    """A backup that is; new volumes are copied from it, old ones return to it."""

    spec: VolumeBackupSpec
    size_gib: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerImageSpec:
    """What a server's own disk holds, to be kept. Attached volumes are not in it."""

    name: str
    server_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerImage(CloudObject):
    """An image of a server, which outlives it: servers boot from it by its id."""

    spec: ServerImageSpec


# --- load balancing --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancerSpec:
    """A load balancer to be."""

    name: str
    vip_subnet_id: str
    vip_address: str | None = None
    description: str = ""
    admin_state_up: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadBalancer(CloudObject):
    """A load balancer that is."""

    spec: LoadBalancerSpec
    vip_address: str = ""
    vip_port_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerSpec:
    """A port the load balancer listens on."""

    name: str
    load_balancer_id: str
    protocol: str
    """`HTTP`, `HTTPS` (passed through), `TCP`, `UDP` or `TERMINATED_HTTPS`."""
    protocol_port: int
    default_pool_id: str | None = None
    connection_limit: int = -1
    admin_state_up: bool = True
    description: str = ""
    allowed_cidrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener(CloudObject):
    """A listener that is."""

    spec: ListenerSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSpec:
    """A pool of members, bound to a listener or only to a load balancer."""

    name: str
    protocol: str
    algorithm: str
    """`ROUND_ROBIN`, `LEAST_CONNECTIONS`, `SOURCE_IP`."""
    listener_id: str | None = None
    load_balancer_id: str | None = None
    description: str = ""
    admin_state_up: bool = True
    session_persistence: Mapping[str, str] | None = None
    """`{"type": "HTTP_COOKIE" | "APP_COOKIE" | "SOURCE_IP", "cookie_name": …}`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool(CloudObject):
    """A pool that is."""

    spec: PoolSpec
    load_balancer_id: str = ""
    listener_ids: tuple[str, ...] = ()
    member_ids: tuple[str, ...] = ()
    health_monitor_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSpec:
    """One backend of a pool."""

    pool_id: str
    address: str
    protocol_port: int
    weight: int = 1
    admin_state_up: bool = True
    monitor_address: str | None = None
    monitor_port: int | None = None
    subnet_id: str | None = None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member(CloudObject):
    """A backend that is. `online` is what the health monitor last saw; None without one."""

    spec: MemberSpec
    online: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMonitorSpec:
    """How a pool's members are probed; times in seconds."""

    pool_id: str
    type: str
    """`HTTP`, `TCP`, `PING`, `HTTPS`, `TLS-HELLO`, `UDP-CONNECT`, `SCTP`."""
    delay_seconds: int
    timeout_seconds: int
    max_retries: int
    http_method: str = "GET"
    url_path: str = "/"
    expected_codes: str = "200"
    admin_state_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMonitor(CloudObject):
    """A health monitor that is."""

    spec: HealthMonitorSpec


# --- what one service has a word for ----------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSpec:
    """An object to be of a kind that is little more than its fields (`clouds/plain.py`)."""

    name: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """As the service calls them."""
    parent_id: str = ""
    """Of what it lives below: a rule's policy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainObject(CloudObject):
    """A plain object that is; its `spec` has what can be asked for of what the service says."""

    spec: PlainSpec
    kind: str
    """`qos_policies`: a name of `clouds/plain.py`."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """All that the service says, but for secrets and marks."""


# --- the port --------------------------------------------------------------------------------

SpecT = TypeVar("SpecT", contravariant=True)
ObjectT = TypeVar("ObjectT", bound=CloudObject, covariant=True)


class Collection(Protocol[SpecT, ObjectT]):
    """One kind of object of one project. See the module's rules."""

    async def create(self, spec: SpecT, token: Token) -> ObjectT:
        """Make it, or answer the one made before with this token."""
        ...

    async def find(self, token: Token) -> ObjectT | None:
        """The object made with this token, or None."""
        ...

    async def get(self, object_id: str) -> ObjectT:
        """By id; `Missing` when it is not there."""
        ...

    async def list(self) -> Sequence[ObjectT]:
        """All of this project, oldest first."""
        ...

    async def update(self, object_id: str, spec: SpecT) -> ObjectT:
        """Bring it to this spec; `Refused` names a part that cannot change in place."""
        ...

    async def delete(self, object_id: str) -> None:
        """Begin to remove it; `Clash` while something uses it."""
        ...


class Anew(ABC, Generic[SpecT, ObjectT]):
    """A collection to which looking before it creates costs a call.

    Whoever has just looked, or knows that nobody can have made the object, says so.
    """

    @abstractmethod
    async def create_anew(self, spec: SpecT, token: Token) -> ObjectT:
        """Make it: there is none with this token."""


class Recalls(ABC, Generic[ObjectT]):
    """A collection that has seen most of what it is asked for.

    Whoever wants only to name or to describe something of others, and not to know whether it is
    still there, asks here: what was seen a moment ago does.
    """

    @abstractmethod
    async def recall(self, object_id: str) -> ObjectT:
        """As it was seen last, or read now; `Missing` when it is not there."""

    @abstractmethod
    async def recall_named(self, name: str) -> Sequence[ObjectT]:
        """Those of this name, as they were seen last; read now when none was."""


class Servers(Collection[ServerSpec, Server], Protocol):
    """Servers have power and a console besides."""

    async def power(self, server_id: str, power: Power) -> None:
        """Begin a power action; poll `get` for its end."""
        ...

    async def rebuild(self, server_id: str, spec: ServerSpec) -> Server:
        """Same server, addresses and volumes; new image and boot script."""
        ...

    async def console(self, server_id: str, lines: int) -> str:
        """The last lines of the console log."""
        ...

    async def resize(self, server_id: str, flavor: str) -> None:
        """Begin to give it another flavor; poll `get`. One that has it is left alone."""
        ...

    async def migrate(self, server_id: str, how: Move, host: str | None) -> None:
        """Begin to bring it to another host, or to this one; poll `get`."""
        ...

    async def deeds(self, server_id: str) -> Sequence[Deed]:
        """What was done to it, the newest first: how one learns whether a deed arrived."""
        ...


class Volumes(Collection[VolumeSpec, Volume], Protocol):
    """Volumes can return to what a backup holds."""

    async def restore(self, volume_id: str, backup_id: str) -> Volume:
        """Begin to put a backup's contents in place of the volume's; poll `get` for its end.

        Safe to repeat. `Clash` while the volume is attached, `Missing` without volume or backup,
        `Refused` when the backup is larger than the volume.
        """
        ...


class PlainObjects(Collection[PlainSpec, PlainObject], Protocol):
    """Plain objects of one kind.

    Where a kind has no place for a token, `find` knows nothing; what makes such an object the only
    one of its like (`PlainKind.once`) finds it instead.
    """

    async def like(self, spec: PlainSpec) -> PlainObject | None:
        """The object there can be only one of, by what makes it so."""
        ...


class Settings(Protocol):
    """Values of something that exists anyway: a project's quota, a user's roles.

    Putting and dropping may be repeated; nobody else's values are touched.
    """

    async def get(self, target: str) -> Mapping[str, Any]:
        """What is set; `Missing` when there is no such target."""
        ...

    async def put(self, target: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> None:
        """Bring it from what this resource had put there before to these values."""
        ...

    async def drop(self, target: str, values: Mapping[str, Any]) -> None:
        """Take these values away again; a target that is gone is no problem."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How many objects of one collection the project has, and may have."""

    what: str
    """The collection: `servers`, `volumes`, …"""
    used: int
    limit: int


class Session(Protocol):
    """One project's view of one cloud: it can see and touch nothing of another project."""

    @property
    def project_id(self) -> ProjectId: ...
    @property
    def servers(self) -> Servers: ...
    @property
    def key_pairs(self) -> Collection[KeyPairSpec, KeyPair]: ...
    @property
    def server_groups(self) -> Collection[ServerGroupSpec, ServerGroup]: ...
    @property
    def networks(self) -> Collection[NetworkSpec, Network]: ...
    @property
    def subnets(self) -> Collection[SubnetSpec, Subnet]: ...
    @property
    def ports(self) -> Collection[PortSpec, Port]: ...
    @property
    def routers(self) -> Collection[RouterSpec, Router]: ...
    @property
    def router_interfaces(self) -> Collection[RouterInterfaceSpec, RouterInterface]: ...
    @property
    def security_groups(self) -> Collection[SecurityGroupSpec, SecurityGroup]: ...
    @property
    def floating_ips(self) -> Collection[FloatingIpSpec, FloatingIp]: ...
    @property
    def floating_ip_associations(
        self,
    ) -> Collection[FloatingIpAssociationSpec, FloatingIpAssociation]: ...
    @property
    def volumes(self) -> Volumes: ...
    @property
    def volume_attachments(self) -> Collection[VolumeAttachmentSpec, VolumeAttachment]: ...
    @property
    def volume_snapshots(self) -> Collection[VolumeSnapshotSpec, VolumeSnapshot]: ...
    @property
    def volume_backups(self) -> Collection[VolumeBackupSpec, VolumeBackup]: ...
    @property
    def server_images(self) -> Collection[ServerImageSpec, ServerImage]: ...
    @property
    def load_balancers(self) -> Collection[LoadBalancerSpec, LoadBalancer]: ...
    @property
    def listeners(self) -> Collection[ListenerSpec, Listener]: ...
    @property
    def pools(self) -> Collection[PoolSpec, Pool]: ...
    @property
    def members(self) -> Collection[MemberSpec, Member]: ...
    @property
    def health_monitors(self) -> Collection[HealthMonitorSpec, HealthMonitor]: ...

    def plain(self, kind: str) -> PlainObjects:
        """The plain objects of a kind of `clouds/plain.py`."""
        ...

    def settings(self, kind: str) -> Settings:
        """The settings of a kind of `clouds/plain.py`."""
        ...

    async def flavors(self) -> Sequence[Flavor]:
        """The sizes a server can have."""
        ...

    async def images(self) -> Sequence[Image]:
        """What a server can boot: the cloud's images, and those of this project's servers."""
        ...

    async def quotas(self) -> Sequence[Quota]:
        """What the project may have of a collection, where the cloud can say; else nothing."""
        ...

    # The rest is the operator's, and about all projects: a cloud answers `Denied` to credentials
    # that are not.

    async def hosts(self) -> Sequence[Host]:
        """What servers run on, by name."""
        ...

    async def guests(self, host: str) -> Sequence[Guest]:
        """The servers on a host, of all projects, by name; `Missing` when there is no such host."""
        ...

    async def services(self) -> Sequence[CloudService]:
        """The cloud's own processes, by host and name."""
        ...

    async def set_service(self, service_id: str, enabled: bool, reason: str) -> None:
        """Let its host get new work, or not; what runs there goes on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudInfo:
    """What `mantle cloud show` prints."""

    name: str
    kind: str
    """`local`, `simulated`, `openstack`, …"""
    description: str
    facts: Mapping[str, str] = field(default_factory=dict)
    """Chosen tier and why, load balancer in use, data folder, address range, …"""


class Cloud(Protocol):
    """One configured cloud."""

    @property
    def info(self) -> CloudInfo: ...

    @property
    def limitations(self) -> Sequence[Limitation]:
        """What it cannot honour."""
        ...

    def session(self, project_id: ProjectId) -> Session:
        """The view of one project; cheap, may be called per use."""
        ...

    async def start(self) -> None:
        """Find again what outlived the last run, and begin to look after it."""
        ...

    async def stop(self) -> None:
        """Stop looking; servers go on running."""
        ...


@runtime_checkable
class Personal(Protocol):
    """A cloud where it matters for whom a project's work is done."""

    def session_for(self, project_id: ProjectId, user_id: UserId) -> Session:
        """The view of one project that this user has, or left to others."""
        ...


# --- other Heats -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class FarStack:
    """A stack of another Heat, as it shows it."""

    id: str
    name: str
    state: str
    """`CREATE_COMPLETE`"""
    reason: str
    updated_time: str
    """Empty before the first update."""
    tags: tuple[str, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarWish:
    """What a stack of another Heat is to be made from."""

    template: str
    files: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    timeout_minutes: int | None = None


class FarStacks(Protocol):
    """The stacks of another Heat, with somebody's credentials. Failures are `CloudError`s."""

    async def find(self, name: str) -> FarStack | None:
        """A live stack by its name."""
        ...

    async def get(self, stack_id: str) -> FarStack:
        """By id, deleted ones included; `Missing` when there is none."""
        ...

    async def create(self, name: str, tag: str, wish: FarWish) -> str:
        """Begin to make it; the answer is its id. `Clash` when there is one of this name."""
        ...

    async def update(self, stack: FarStack, tag: str, wish: FarWish) -> None:
        """Begin to bring it to this."""
        ...

    async def delete(self, stack: FarStack) -> None:
        """Begin to delete it; one that is gone is no problem."""
        ...

    async def act(self, stack: FarStack, verb: str) -> None:
        """Begin to check, suspend or resume it."""
        ...

    async def validate(self, wish: FarWish) -> None:
        """Raise `Refused` with what is wrong with the template there."""
        ...

    async def close(self) -> None:
        """Let go of the connections."""
        ...
