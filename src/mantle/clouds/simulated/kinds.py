"""How each kind of object is made from its spec, and what it needs and holds fast."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from mantle.clouds import ports as p
from mantle.clouds.simulated.world import World, floating_pool
from mantle.model.ids import ProjectId

Needs = Iterable[tuple[str, str | None]]
Make = Callable[[World, ProjectId, dict[str, Any], Any], p.CloudObject]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One collection's nature."""

    name: str
    make: Make
    needs: Callable[[Any], Needs] = lambda _: ()
    """(collection, id) that must exist, and cannot be deleted while this does."""
    copies: Callable[[Any], Needs] = lambda _: ()
    """(collection, id) of what it is made from: must exist then, and is not held fast."""
    builds: bool = False
    """Takes its time to become ACTIVE."""
    id_of: Callable[[Any], str] | None = None
    """For objects whose id follows from their spec."""
    related: Callable[[World, ProjectId, Any], p.CloudObject] | None = None
    """The object as it is seen, with what follows from its users; nothing of it is stored."""


PUBLIC = "public"
FLAVORS = (
    p.Flavor(id="1", name="m1.tiny", vcpus=1, ram_mib=512, disk_gib=1),
    p.Flavor(id="2", name="m1.small", vcpus=1, ram_mib=2048, disk_gib=20),
    p.Flavor(id="3", name="m1.medium", vcpus=2, ram_mib=4096, disk_gib=40),
    p.Flavor(id="4", name="m1.large", vcpus=4, ram_mib=8192, disk_gib=80),
)
IMAGES = (
    p.Image(id="cirros", name="cirros", description="A small system for tests"),
    p.Image(id="local", name="local", description="The name the local cloud's image has"),
)


def find_flavor(name_or_id: str) -> p.Flavor:
    """By name or id; `Refused` lists what there is."""
    for flavor in FLAVORS:
        if name_or_id in {flavor.id, flavor.name}:
            return flavor
    known = ", ".join(each.name for each in FLAVORS)
    raise p.Refused(f"Compute has no flavor {name_or_id!r}.", remedy=f"There are: {known}.")


def aliases_of(name_or_id: str) -> tuple[str, ...]:
    """What the flavor may be called by."""
    flavor = find_flavor(name_or_id)
    return flavor.id, flavor.name


def _server(world: World, project: ProjectId, base: dict[str, Any], spec: p.ServerSpec) -> p.Server:
    find_flavor(spec.flavor)
    slot = (project, "servers", base["id"])
    if base["id"] not in world.shelf(project, "servers"):
        world.copy((project, "server_images", spec.image or ""), slot)
    addresses = []
    for nic in spec.nics:
        thing = world.shelf(project, "ports").get(nic.port_id or "")
        if thing is None or not isinstance(thing.object, p.Port):
            continue
        addresses += [
            p.Address(
                address=ip.ip_address or "",
                network=_network_name(world, project, thing.object.spec.network_id),
                mac_address=thing.object.mac_address,
                port_id=thing.object.id,
            )
            for ip in thing.object.fixed_ips
        ]
    return p.Server(
        **base, spec=spec, addresses=tuple(addresses), host=world.home(slot),
        instance_name=f"instance-{base['id'][:8]}",
    )  # fmt: skip


def _network_name(world: World, project: ProjectId, network_id: str) -> str:
    thing = world.shelf(project, "networks").get(network_id)
    return thing.object.name if thing else network_id


def _key_pair(_: World, __: ProjectId, base: dict[str, Any], spec: p.KeyPairSpec) -> p.KeyPair:
    public = spec.public_key or f"ssh-ed25519 simulated {spec.name}"
    return p.KeyPair(
        **base,
        public_key=public,
        fingerprint=hashlib.sha256(public.encode()).hexdigest()[:32],
        private_key="" if spec.public_key else f"simulated private key of {spec.name}",
        type=spec.type,
    )


def _network(_: World, __: ProjectId, base: dict[str, Any], spec: p.NetworkSpec) -> p.Network:
    return p.Network(**base, spec=spec, mtu=spec.mtu or 1500, external=spec.name == PUBLIC)


def _subnet(_: World, __: ProjectId, base: dict[str, Any], spec: p.SubnetSpec) -> p.Subnet:
    gateway = spec.gateway_ip
    if gateway is None:
        gateway = spec.cidr.rsplit(".", 1)[0] + ".1" if spec.ip_version == 4 else ""
    return p.Subnet(**base, spec=spec, gateway_ip=gateway, allocation_pools=spec.allocation_pools)


def _subnets_of(world: World, project: ProjectId, network_id: str) -> list[p.Subnet]:
    shelf = world.shelf(project, "subnets")
    ids = world.users((project, "networks", network_id), "subnets")
    return [subnet for each in ids if isinstance(subnet := shelf[each].object, p.Subnet)]


def _port(world: World, project: ProjectId, base: dict[str, Any], spec: p.PortSpec) -> p.Port:
    subnets = {each.id: each for each in _subnets_of(world, project, spec.network_id)}
    wanted = spec.fixed_ips or tuple(p.FixedIp(subnet_id=each) for each in list(subnets)[:1])
    known = world.shelf(project, "ports").get(base["id"])
    old = known.object.fixed_ips if known and isinstance(known.object, p.Port) else ()
    if known is not None and (not spec.fixed_ips or spec.fixed_ips == known.object.spec.fixed_ips):  # type: ignore[attr-defined]
        fixed = list(old)
    else:
        fixed = []
        for ask in wanted:
            subnet = subnets.get(ask.subnet_id or "") or next(iter(subnets.values()), None)
            if subnet is None:
                raise p.Refused(f"The network {spec.network_id} has no such subnet.")
            address = world.take_address(subnet.id, subnet.spec.cidr, ask.ip_address)
            fixed.append(p.FixedIp(subnet_id=subnet.id, ip_address=address))
    return p.Port(
        **base,
        spec=spec,
        fixed_ips=tuple(fixed),
        mac_address=spec.mac_address or _mac(base["id"]),
        device_id=spec.device_id,
        device_owner=spec.device_owner,
    )  # fmt: skip


def _mac(object_id: str) -> str:
    return f"fa:16:3e:{object_id[2:4]}:{object_id[4:6]}:{object_id[6:8]}"


def _floating_ip(
    world: World, project: ProjectId, base: dict[str, Any], spec: p.FloatingIpSpec
) -> p.FloatingIp:
    known = world.shelf(project, "floating_ips").get(base["id"])
    if known is not None and isinstance(known.object, p.FloatingIp):
        address = known.object.address
    else:
        address = world.take_address(floating_pool(spec.network_id), "203.0.113.0/24", spec.address)
    return p.FloatingIp(
        **base, spec=spec, address=address, port_id=spec.port_id,
        fixed_ip_address=spec.fixed_ip_address,
    )  # fmt: skip


def _load_balancer(
    world: World, project: ProjectId, base: dict[str, Any], spec: p.LoadBalancerSpec
) -> p.LoadBalancer:
    known = world.shelf(project, "load_balancers").get(base["id"])
    if known is not None and isinstance(known.object, p.LoadBalancer):
        address = known.object.vip_address
    else:
        subnet = world.shelf(project, "subnets")[spec.vip_subnet_id].object
        assert isinstance(subnet, p.Subnet)
        address = world.take_address(subnet.id, subnet.spec.cidr, spec.vip_address)
    return p.LoadBalancer(**base, spec=spec, vip_address=address, vip_port_id=f"vip-{base['id']}")


def _pool(world: World, project: ProjectId, base: dict[str, Any], spec: p.PoolSpec) -> p.Pool:
    listener = world.shelf(project, "listeners").get(spec.listener_id or "")
    balancer = spec.load_balancer_id or ""
    if listener is not None and isinstance(listener.object, p.Listener):
        balancer = listener.object.spec.load_balancer_id
    return p.Pool(
        **base,
        spec=spec,
        load_balancer_id=balancer,
        listener_ids=(spec.listener_id,) if spec.listener_id else (),
    )


def _member(_: World, __: ProjectId, base: dict[str, Any], spec: p.MemberSpec) -> p.Member:
    return p.Member(**base, spec=spec, online=True)


def _kept(name: str, kind: type[Any], source: Callable[[Any], tuple[str, str]]) -> Make:
    """Copies of what another object holds: copied once, then only named anew."""

    def make(world: World, project: ProjectId, base: dict[str, Any], spec: Any) -> p.CloudObject:
        known = world.shelf(project, name).get(base["id"])
        if known is not None:
            renamed: p.CloudObject = replace(known.object, **base, spec=spec)  # type: ignore[call-arg]
            return renamed
        original = (project, *source(spec))
        world.copy(original, (project, name, base["id"]))
        size = {} if kind is p.ServerImage else {"size_gib": world.size_of(original)}
        made: p.CloudObject = kind(**base, spec=spec, **size)
        return made

    return make


def _volume(world: World, project: ProjectId, base: dict[str, Any], spec: p.VolumeSpec) -> p.Volume:
    slot = (project, "volumes", base["id"])
    if base["id"] not in world.shelf(project, "volumes"):
        for collection, source in _volume_sources(spec):
            if source is None:
                continue
            size = world.size_of((project, collection, source))
            if size > spec.size_gib:
                raise p.Refused(
                    f"volumes: what {source} holds has {size} GiB, more than {spec.size_gib}.",
                    remedy="Ask for a larger volume.",
                )
            world.copy((project, collection, source), slot)
    return p.Volume(**base, spec=spec, bootable=spec.image is not None)


def _volume_sources(spec: p.VolumeSpec) -> Needs:
    return (
        ("volume_snapshots", spec.snapshot_id),
        ("volume_backups", spec.backup_id),
        ("volumes", spec.source_volume_id),
    )


def _attachment(
    _: World, __: ProjectId, base: dict[str, Any], spec: p.VolumeAttachmentSpec
) -> p.VolumeAttachment:
    return p.VolumeAttachment(**base, spec=spec, device=spec.mountpoint or "/dev/vdb")


def _network_seen(world: World, project: ProjectId, network: p.Network) -> p.Network:
    ids = world.users((project, "networks", network.id), "subnets")
    return replace(network, subnet_ids=ids)


def _port_seen(world: World, project: ProjectId, port: p.Port) -> p.Port:
    servers = world.users((project, "ports", port.id), "servers")
    return replace(port, device_id=servers[0], device_owner="compute:nova") if servers else port


def _volume_seen(world: World, project: ProjectId, volume: p.Volume) -> p.Volume:
    ids = world.users((project, "volumes", volume.id), "volume_attachments")
    shelf = world.shelf(project, "volume_attachments")
    attachments = (shelf[each].object for each in ids)
    servers = (each.spec.server_id for each in attachments if isinstance(each, p.VolumeAttachment))
    return replace(volume, attached_to=tuple(servers))


def _floating_ip_seen(world: World, project: ProjectId, floating: p.FloatingIp) -> p.FloatingIp:
    slot = (project, "floating_ips", floating.id)
    for each in world.users(slot, "floating_ip_associations"):
        joined = world.shelf(project, "floating_ip_associations")[each].object
        if isinstance(joined, p.FloatingIpAssociation):
            return replace(
                floating,
                port_id=joined.spec.port_id,
                fixed_ip_address=joined.spec.fixed_ip_address,
            )
    return floating


def _pool_seen(world: World, project: ProjectId, pool: p.Pool) -> p.Pool:
    slot = (project, "pools", pool.id)
    monitors = world.users(slot, "health_monitors")
    return replace(
        pool,
        member_ids=world.users(slot, "members"),
        health_monitor_id=monitors[0] if monitors else "",
    )


def _key_pair_seen(_: World, __: ProjectId, pair: p.KeyPair) -> p.KeyPair:
    return replace(pair, private_key="")


def _plain(kind: type[Any]) -> Make:
    def make(_: World, __: ProjectId, base: dict[str, Any], spec: Any) -> p.CloudObject:
        made: p.CloudObject = kind(**base, spec=spec)
        return made

    return make


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="servers",
            make=_server,
            builds=True,
            needs=lambda spec: [("ports", nic.port_id) for nic in spec.nics],
        ),
        Kind(
            name="key_pairs",
            make=_key_pair,
            id_of=lambda spec: spec.name,
            related=_key_pair_seen,
        ),
        Kind(name="server_groups", make=_plain(p.ServerGroup)),
        Kind(name="networks", make=_network, related=_network_seen),
        Kind(name="subnets", make=_subnet, needs=lambda spec: [("networks", spec.network_id)]),
        Kind(
            name="ports",
            make=_port,
            needs=lambda spec: [("networks", spec.network_id)],
            related=_port_seen,
        ),
        Kind(name="routers", make=_plain(p.Router)),
        Kind(
            name="router_interfaces",
            make=_plain(p.RouterInterface),
            needs=lambda spec: [
                ("routers", spec.router_id),
                ("subnets", spec.subnet_id),
                ("ports", spec.port_id),
            ],
            id_of=lambda spec: (
                f"{spec.router_id}:subnet_id={spec.subnet_id}"
                if spec.subnet_id
                else f"{spec.router_id}:port_id={spec.port_id}"
            ),
        ),
        Kind(name="security_groups", make=_plain(p.SecurityGroup)),
        Kind(
            name="floating_ips",
            make=_floating_ip,
            related=_floating_ip_seen,
            needs=lambda spec: [("ports", spec.port_id)],
        ),
        Kind(
            name="floating_ip_associations",
            make=_plain(p.FloatingIpAssociation),
            needs=lambda spec: [("floating_ips", spec.floating_ip_id), ("ports", spec.port_id)],
            id_of=lambda spec: str(spec.floating_ip_id),
        ),
        Kind(
            name="volumes",
            make=_volume,
            copies=_volume_sources,
            builds=True,
            related=_volume_seen,
        ),
        Kind(
            name="volume_snapshots",
            make=_kept(
                "volume_snapshots", p.VolumeSnapshot, lambda spec: ("volumes", spec.volume_id)
            ),
            needs=lambda spec: [("volumes", spec.volume_id)],
            builds=True,
        ),
        Kind(
            name="volume_backups",
            make=_kept("volume_backups", p.VolumeBackup, lambda spec: ("volumes", spec.volume_id)),
            copies=lambda spec: [("volumes", spec.volume_id)],
            builds=True,
        ),
        Kind(
            name="server_images",
            make=_kept("server_images", p.ServerImage, lambda spec: ("servers", spec.server_id)),
            copies=lambda spec: [("servers", spec.server_id)],
            builds=True,
        ),
        Kind(
            name="volume_attachments",
            make=_attachment,
            needs=lambda spec: [("volumes", spec.volume_id), ("servers", spec.server_id)],
            id_of=lambda spec: str(spec.volume_id),
        ),
        Kind(
            name="load_balancers",
            make=_load_balancer,
            builds=True,
            needs=lambda spec: [("subnets", spec.vip_subnet_id)],
        ),
        Kind(
            name="listeners",
            make=_plain(p.Listener),
            needs=lambda spec: [("load_balancers", spec.load_balancer_id)],
        ),
        Kind(
            name="pools",
            make=_pool,
            related=_pool_seen,
            needs=lambda spec: [
                ("listeners", spec.listener_id),
                ("load_balancers", spec.load_balancer_id),
            ],
        ),
        Kind(name="members", make=_member, needs=lambda spec: [("pools", spec.pool_id)]),
        Kind(
            name="health_monitors",
            make=_plain(p.HealthMonitor),
            needs=lambda spec: [("pools", spec.pool_id)],
        ),
    )
}
