"""One contract, run over every cloud: what `clouds/ports.py` promises.

The simulated cloud runs in virtual time, the local one with real processes, OpenStack against the
real services of ../shared/openstack.
"""

import asyncio
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from mantle.clouds import ports as p
from mantle.clouds.keeper import KeeperServer, connect
from mantle.clouds.local import LocalCloud
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.clouds.simulated import Faults, SimulatedCloud, World
from mantle.clouds.simulated.cloud import SimulatedCollection
from mantle.lib import virtual_time
from mantle.lib.clock import LoopClock, SystemClock
from mantle.model.ids import ProjectId, Token

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

import openstack_lab

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGmFz1qK3yQp1a3wq0cQzJmVvYb1eQ2r0b0m8m3n1uYx"
MINE, THEIRS = ProjectId("project-1"), ProjectId("project-2")
BOOT = "#!/bin/sh\nexec sleep 86398\n"


def on_simulated(story) -> None:
    async def run():
        clock = LoopClock()
        faults = Faults(build_seconds=2.0, delete_seconds=1.0)
        cloud = SimulatedCloud(clock=clock, world=World(clock), faults=faults)
        await cloud.start()
        await story(cloud)
        await cloud.stop()

    virtual_time.run(run())


def on_local(story) -> None:
    async def run(folder):
        block = f"127.{16 + os.getpid() % 16}.{os.getpid() // 16 % 4 * 64}.0/18"
        cloud = LocalCloud(Path(folder), clock=SystemClock(), loopback_block=block)
        await cloud.start()
        try:
            await story(cloud)
        finally:
            for project in (MINE, THEIRS):
                session = cloud.session(project)
                for server in await session.servers.list():
                    await gone(session.servers, server.id)
                for balancer in await session.load_balancers.list():
                    await torn_down(session, balancer.id)
            await cloud.stop()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


def on_keeper(story) -> None:
    """The simulated cloud, held by a keeper and reached over its socket."""

    async def run(folder):
        clock = SystemClock()
        faults = Faults(build_seconds=0.02, delete_seconds=0.01)
        held = SimulatedCloud(clock=clock, world=World(clock), faults=faults)
        keeper = KeeperServer(Path(folder) / "keeper.sock", {held.info.name: held})
        await keeper.start()
        clouds = await connect(keeper.path)
        try:
            await story(clouds["simulated"])
        finally:
            await clouds["simulated"].stop()
            await keeper.stop()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(folder))


@pytest.fixture(params=[on_simulated, on_local], ids=["simulated", "local"])
def on_disks(request):
    """The clouds whose disks really hold something."""
    return request.param


class Renamed:
    """A cloud in whose story `project-1` and `project-2` are two fresh projects."""

    def __init__(self, cloud, names) -> None:
        self.cloud = cloud
        self.names = names

    def session(self, project_id):
        return self.cloud.session(ProjectId(self.names[project_id]))


def on_openstack(story) -> None:
    async def run(lab):
        cloud = OpenStackCloud(Entry(name=lab.entry, file=lab.file))
        await cloud.start()
        try:
            await story(Renamed(cloud, {MINE: lab.mine, THEIRS: lab.theirs}))
        finally:
            await cloud.stop()

    with openstack_lab.two_projects() as lab:
        openstack_lab.furnish()
        asyncio.run(run(lab))


@pytest.fixture(
    params=[
        pytest.param(on_simulated, id="simulated"),
        pytest.param(on_keeper, id="keeper"),
        pytest.param(on_local, id="local"),
        pytest.param(on_openstack, id="openstack", marks=pytest.mark.openstack),
    ]
)
def on(request):
    return request.param


async def until(collection, object_id, *wanted):
    """Poll until the object has one of the states."""
    for _ in range(400):
        found = await collection.get(object_id)
        if found.status in wanted:
            return found
        await asyncio.sleep(0.05)
    raise AssertionError(f"{found.name} stays {found.status}: {found.fault}")


async def gone(collection, object_id) -> None:
    """Delete and poll until it is missing."""
    for _ in range(400):
        try:
            await collection.delete(object_id)
        except p.Missing:
            return
        except p.Clash:
            pass
        await asyncio.sleep(0.05)
    raise AssertionError(f"{object_id} never goes")


async def torn_down(session, balancer_id) -> None:
    for name in ("members", "health_monitors", "pools", "listeners"):
        for each in await getattr(session, name).list():
            await gone(getattr(session, name), each.id)
    await gone(session.load_balancers, balancer_id)


class Laid:
    """What most objects stand on: a network, a subnet and a port."""

    def __init__(self, session) -> None:
        self.session = session

    async def lay(self):
        s = self.session
        self.network = await s.networks.create(p.NetworkSpec(name="n"), Token("t-net"))
        self.subnet = await s.subnets.create(
            p.SubnetSpec(name="s", network_id=self.network.id, cidr="10.4.0.0/24"), Token("t-sub")
        )
        self.port = await s.ports.create(
            p.PortSpec(name="p", network_id=self.network.id), Token("t-port")
        )
        return self

    def server(self, name="srv", **changes):
        spec = p.ServerSpec(
            name=name,
            flavor="m1.tiny",
            image="local",
            user_data=BOOT,
            nics=(p.Nic(port_id=self.port.id),),
        )
        return replace(spec, **changes)


def specs(laid, public):
    """A spec for every collection that stands on nothing else, or on what is laid."""
    return {
        "key_pairs": p.KeyPairSpec(name="k", public_key=KEY),
        "networks": p.NetworkSpec(name="other"),
        "subnets": p.SubnetSpec(name="x", network_id=laid.network.id, cidr="10.5.0.0/24"),
        "ports": p.PortSpec(name="x", network_id=laid.network.id),
        "routers": p.RouterSpec(name="r"),
        "security_groups": p.SecurityGroupSpec(name="g", rules=(p.SecurityRule(protocol="tcp"),)),
        "volumes": p.VolumeSpec(name="v", size_gib=1),
        "load_balancers": p.LoadBalancerSpec(name="lb", vip_subnet_id=laid.subnet.id),
        "floating_ips": p.FloatingIpSpec(network_id=public),
    }


def test_every_collection_keeps_the_rules_of_the_port(on):
    """Create is idempotent, find and get agree, others see nothing, delete ends Missing."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        mine, theirs = cloud.session(MINE), cloud.session(THEIRS)
        network_id = next(n.id for n in await mine.networks.list() if n.name == "public")
        for name, spec in specs(laid, network_id).items():
            collection, foreign = getattr(mine, name), getattr(theirs, name)
            token = Token(f"token-{name}")
            assert await collection.find(token) is None, name
            made = await collection.create(spec, token)
            assert made.token == token, name
            again = await collection.create(spec, token)
            assert again.id == made.id, name
            found = await until(collection, made.id, p.ObjectStatus.ACTIVE)
            assert (await collection.find(token)).id == made.id, name
            assert found.id in {each.id for each in await collection.list()}, name
            assert made.id not in {each.id for each in await foreign.list()}, name
            assert await foreign.find(token) is None, name
            for verb in (
                foreign.get(made.id),
                foreign.delete(made.id),
                foreign.update(made.id, spec),
            ):
                with pytest.raises(p.Missing):
                    await verb
            await gone(collection, made.id)
            with pytest.raises(p.Missing):
                await collection.get(made.id)
            with pytest.raises(p.Missing):
                await collection.delete(made.id)
            assert await collection.find(token) is None, name

    on(story)


def test_two_creates_with_one_token_at_once_make_one_object(on):
    """Whoever comes second is answered the first one's."""

    async def story(cloud):
        networks = cloud.session(MINE).networks
        spec = p.NetworkSpec(name="n")
        made = await asyncio.gather(*(networks.create(spec, Token("t")) for _ in range(5)))
        assert len({each.id for each in made}) == 1
        assert len([each for each in await networks.list() if each.name == "n"]) == 1

    on(story)


def test_lists_are_oldest_first(on):
    """In the order of creation."""

    async def story(cloud):
        volumes = cloud.session(MINE).volumes
        names = ["c", "a", "b"]
        for name in names:
            await volumes.create(p.VolumeSpec(name=name, size_gib=1), Token(name))
            # Services that stamp whole seconds know no order within one.
            await asyncio.sleep(1.1)
        assert [each.name for each in await volumes.list()] == names

    on(story)


def test_a_server_lives(on):
    """Built, named anew, stopped, started, suspended, resumed, rebooted, gone."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        servers = laid.session.servers
        made = await servers.create(laid.server(), Token("t"))
        assert made.status in {p.ObjectStatus.BUILDING, p.ObjectStatus.ACTIVE}
        server = await until(servers, made.id, p.ObjectStatus.ACTIVE)
        port = await laid.session.ports.get(laid.port.id)
        assert [each.address for each in server.addresses] == [port.fixed_ips[0].ip_address]
        assert port.device_id == server.id
        renamed = await servers.update(server.id, laid.server(metadata={"a": "b"}))
        assert renamed.spec.metadata == {"a": "b"}
        for power, state in (
            (p.Power.OFF, p.ObjectStatus.STOPPED),
            (p.Power.ON, p.ObjectStatus.ACTIVE),
            (p.Power.SUSPEND, p.ObjectStatus.SUSPENDED),
            (p.Power.RESUME, p.ObjectStatus.ACTIVE),
            (p.Power.REBOOT, p.ObjectStatus.ACTIVE),
            (p.Power.OFF, p.ObjectStatus.STOPPED),
            (p.Power.HARD_REBOOT, p.ObjectStatus.ACTIVE),
        ):
            await servers.power(server.id, power)
            await until(servers, server.id, state)
        assert isinstance(await servers.console(server.id, 10), str)
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).servers.power(server.id, p.Power.OFF)
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).servers.console(server.id, 10)
        await gone(servers, server.id)

    on(story)


def test_what_does_not_exist_is_refused_by_name(on):
    """A flavor nobody has, a port that is not there, a subnet of no network."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        with pytest.raises(p.Refused, match=r"m9\.none"):
            await laid.session.servers.create(laid.server(flavor="m9.none"), Token("a"))
        missing = laid.server(nics=(p.Nic(port_id="no-such-port"),))
        with pytest.raises((p.Refused, p.Missing)):
            await laid.session.servers.create(missing, Token("b"))
        nowhere = p.SubnetSpec(name="s", network_id="no-such-network", cidr="10.0.0.0/24")
        with pytest.raises((p.Refused, p.Missing)):
            await laid.session.subnets.create(nowhere, Token("c"))

    on(story)


def test_what_is_in_use_is_not_deleted(on):
    """A network with a port, a subnet with an address, a volume in a server."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        with pytest.raises(p.Clash):
            await s.networks.delete(laid.network.id)
        server = await s.servers.create(laid.server(), Token("srv"))
        await until(s.servers, server.id, p.ObjectStatus.ACTIVE)
        volume = await s.volumes.create(p.VolumeSpec(name="v", size_gib=1), Token("vol"))
        await until(s.volumes, volume.id, p.ObjectStatus.ACTIVE)
        attachment = await s.volume_attachments.create(
            p.VolumeAttachmentSpec(server_id=server.id, volume_id=volume.id), Token("att")
        )
        await until(s.volume_attachments, attachment.id, p.ObjectStatus.ACTIVE)
        assert (await s.volumes.get(volume.id)).attached_to == (server.id,)
        with pytest.raises(p.Clash):
            await s.volumes.delete(volume.id)
        await gone(s.volume_attachments, attachment.id)
        await gone(s.volumes, volume.id)
        await gone(s.servers, server.id)
        await gone(s.ports, laid.port.id)
        await gone(s.subnets, laid.subnet.id)
        await gone(s.networks, laid.network.id)

    on(story)


def test_a_router_joins_a_subnet(on):
    """The interface has the id Heat's clients expect, and holds the router fast."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        router = await s.routers.create(p.RouterSpec(name="r"), Token("r"))
        spec = p.RouterInterfaceSpec(router_id=router.id, subnet_id=laid.subnet.id)
        joined = await s.router_interfaces.create(spec, Token("ri"))
        assert joined.id == f"{router.id}:subnet_id={laid.subnet.id}"
        with pytest.raises(p.Clash):
            await s.routers.delete(router.id)
        await gone(s.router_interfaces, joined.id)
        await gone(s.routers, router.id)

    on(story)


def test_a_floating_address_leads_to_a_port(on):
    """Associating and taking the association away leaves the address."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        public = next(n.id for n in await s.networks.list() if n.name == "public")
        router = await s.routers.create(
            p.RouterSpec(name="r", external_network_id=public), Token("r")
        )
        way = await s.router_interfaces.create(
            p.RouterInterfaceSpec(router_id=router.id, subnet_id=laid.subnet.id), Token("ri")
        )
        floating = await s.floating_ips.create(p.FloatingIpSpec(network_id=public), Token("f"))
        assert floating.address
        spec = p.FloatingIpAssociationSpec(floating_ip_id=floating.id, port_id=laid.port.id)
        joined = await s.floating_ip_associations.create(spec, Token("fa"))
        assert joined.id == floating.id
        await gone(s.floating_ip_associations, joined.id)
        assert (await s.floating_ips.get(floating.id)).address == floating.address
        await gone(s.floating_ips, floating.id)
        await gone(s.router_interfaces, way.id)
        await gone(s.routers, router.id)

    on(story)


def test_a_load_balancer_is_a_tree(on):
    """Built from the top, each part knows its parent, taken down from the bottom."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        lb = await s.load_balancers.create(
            p.LoadBalancerSpec(name="lb", vip_subnet_id=laid.subnet.id), Token("lb")
        )
        lb = await until(s.load_balancers, lb.id, p.ObjectStatus.ACTIVE)
        assert lb.vip_address
        listener = await s.listeners.create(
            p.ListenerSpec(name="l", load_balancer_id=lb.id, protocol="HTTP", protocol_port=8080),
            Token("l"),
        )
        pool = await s.pools.create(
            p.PoolSpec(name="p", protocol="HTTP", algorithm="ROUND_ROBIN", listener_id=listener.id),
            Token("p"),
        )
        address = laid.port.fixed_ips[0].ip_address
        member = await s.members.create(
            p.MemberSpec(pool_id=pool.id, address=address, protocol_port=8080), Token("m")
        )
        monitor = await s.health_monitors.create(
            p.HealthMonitorSpec(
                pool_id=pool.id, type="HTTP", delay_seconds=1, timeout_seconds=1, max_retries=1
            ),
            Token("hm"),
        )
        seen = await s.pools.get(pool.id)
        assert seen.load_balancer_id == lb.id
        assert seen.listener_ids == (listener.id,)
        assert seen.member_ids == (member.id,)
        assert seen.health_monitor_id == monitor.id
        heavier = await s.members.update(member.id, replace(member.spec, weight=5))
        assert heavier.spec.weight == 5
        with pytest.raises(p.Clash):
            await s.load_balancers.delete(lb.id)
        await torn_down(s, lb.id)

    on(story)


async def filled(session, volume_id, text):
    """A volume that holds something, however its cloud is written to."""
    await until(session.volumes, volume_id, p.ObjectStatus.ACTIVE)
    if isinstance(session.volumes, SimulatedCollection):
        session.volumes.world.contents[MINE, "volumes", volume_id] = text
    else:
        session.volumes.folder(volume_id).joinpath("note").write_text(text)


async def held(session, volume_id):
    """What a volume that is ready holds."""
    await until(session.volumes, volume_id, p.ObjectStatus.ACTIVE)
    if isinstance(session.volumes, SimulatedCollection):
        return session.volumes.world.contents.get((MINE, "volumes", volume_id), "")
    note = session.volumes.folder(volume_id) / "note"
    return note.read_text() if note.exists() else ""


@pytest.mark.parametrize(
    ("collection", "spec_type", "source"),
    [
        ("volume_snapshots", p.VolumeSnapshotSpec, "snapshot_id"),
        ("volume_backups", p.VolumeBackupSpec, "backup_id"),
    ],
)
def test_what_a_volume_held_is_kept_and_copied(on_disks, collection, spec_type, source):
    """A copy is as the volume was, whatever is written later; by token there is one of it."""

    async def story(cloud):
        s = cloud.session(MINE)
        kept = getattr(s, collection)
        volume = await s.volumes.create(p.VolumeSpec(name="v", size_gib=2), Token("v"))
        await filled(s, volume.id, "before")
        spec = spec_type(name="k", volume_id=volume.id)
        made = await kept.create(spec, Token("v/1"))
        assert (await kept.create(spec, Token("v/1"))).id == made.id
        made = await until(kept, made.id, p.ObjectStatus.ACTIVE)
        assert (made.token, made.size_gib, made.name) == ("v/1", 2, "k")
        await filled(s, volume.id, "after")
        wanted = p.VolumeSpec(name="copy", size_gib=2, **{source: made.id})
        copy = await s.volumes.create(wanted, Token("c"))
        assert await held(s, copy.id) == "before"
        assert await held(s, volume.id) == "after"
        with pytest.raises(p.Refused):
            await s.volumes.create(replace(wanted, size_gib=1), Token("small"))
        with pytest.raises((p.Refused, p.Missing)):
            await s.volumes.create(replace(wanted, **{source: "nowhere"}), Token("none"))
        foreign = getattr(cloud.session(THEIRS), collection)
        with pytest.raises(p.Missing):
            await foreign.get(made.id)
        with pytest.raises((p.Refused, p.Missing)):
            await foreign.create(spec, Token("theirs"))
        await gone(s.volumes, copy.id)
        if collection == "volume_snapshots":
            with pytest.raises(p.Clash):
                await s.volumes.delete(volume.id)
            await gone(kept, made.id)
        await gone(s.volumes, volume.id)
        if collection == "volume_backups":
            again = await s.volumes.create(wanted, Token("again"))
            assert await held(s, again.id) == "before"
            await gone(kept, made.id)
        assert await kept.list() == []

    on_disks(story)


def test_a_volume_returns_to_a_backup(on_disks):
    """In place and as often as asked; not while it is attached, nor into a smaller one."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        volume = await s.volumes.create(p.VolumeSpec(name="v", size_gib=2), Token("v"))
        await filled(s, volume.id, "before")
        backup = await s.volume_backups.create(
            p.VolumeBackupSpec(name="b", volume_id=volume.id), Token("b")
        )
        await until(s.volume_backups, backup.id, p.ObjectStatus.ACTIVE)
        for text in ("after", "later"):
            await filled(s, volume.id, text)
            await s.volumes.restore(volume.id, backup.id)
            assert await held(s, volume.id) == "before"
        small = await s.volumes.create(p.VolumeSpec(name="s", size_gib=1), Token("s"))
        await until(s.volumes, small.id, p.ObjectStatus.ACTIVE)
        with pytest.raises(p.Refused):
            await s.volumes.restore(small.id, backup.id)
        with pytest.raises(p.Missing):
            await s.volumes.restore(volume.id, "no-such-backup")
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).volumes.restore(volume.id, backup.id)
        server = await s.servers.create(laid.server(), Token("srv"))
        await until(s.servers, server.id, p.ObjectStatus.ACTIVE)
        await s.volume_attachments.create(
            p.VolumeAttachmentSpec(server_id=server.id, volume_id=volume.id), Token("att")
        )
        with pytest.raises(p.Clash):
            await s.volumes.restore(volume.id, backup.id)

    on_disks(story)


def test_a_server_is_kept_as_an_image(on_disks):
    """Servers boot from it, and return to it; it outlives its server and is listed as an image."""

    async def story(cloud):
        laid = await Laid(cloud.session(MINE)).lay()
        s = laid.session
        server = await s.servers.create(laid.server(), Token("srv"))
        await until(s.servers, server.id, p.ObjectStatus.ACTIVE)
        write(s, server.id, "before")
        image = await s.server_images.create(
            p.ServerImageSpec(name="i", server_id=server.id), Token("srv/1")
        )
        image = await until(s.server_images, image.id, p.ObjectStatus.ACTIVE)
        assert image.id in {each.id for each in await s.images()}
        assert image.id not in {each.id for each in await cloud.session(THEIRS).images()}
        write(s, server.id, "after")
        back = await s.servers.rebuild(server.id, laid.server(image=image.id))
        back = await until(s.servers, server.id, p.ObjectStatus.ACTIVE)
        assert (read(s, server.id), back.id) == ("before", server.id)
        await gone(s.servers, server.id)
        other = await s.servers.create(laid.server("other", image=image.id), Token("other"))
        await until(s.servers, other.id, p.ObjectStatus.ACTIVE)
        assert read(s, other.id) == "before"
        await gone(s.server_images, image.id)
        changed = replace(laid.server("other", image=image.id), metadata={"a": "b"})
        assert (await s.servers.update(other.id, changed)).spec.metadata == {"a": "b"}
        with pytest.raises((p.Refused, p.Missing)):
            await s.server_images.create(
                p.ServerImageSpec(name="i", server_id=server.id), Token("late")
            )

    on_disks(story)


def write(session, server_id, text):
    if isinstance(session.servers, SimulatedCollection):
        session.servers.world.contents[MINE, "servers", server_id] = text
    else:
        session.servers.machine(server_id).root.joinpath("note").write_text(text)


def read(session, server_id):
    if isinstance(session.servers, SimulatedCollection):
        return session.servers.world.contents.get((MINE, "servers", server_id), "")
    return session.servers.machine(server_id).root.joinpath("note").read_text()
