"""What the simulated cloud says of its objects, and how it goes wrong."""

import asyncio

import pytest

from mantle.clouds import ports as p
from mantle.clouds.simulated import Faults, SimulatedCloud, World
from mantle.lib import virtual_time
from mantle.lib.clock import LoopClock
from mantle.model.ids import ProjectId, Token


def told(story, **faults):
    """Run a story about one project's session in virtual time."""

    async def run():
        clock = LoopClock()
        cloud = SimulatedCloud(clock=clock, world=World(clock), faults=Faults(**faults))
        return await story(cloud.session(ProjectId("p")))

    return virtual_time.run(run())


async def network_of(session, name, cidr="10.0.0.0/24"):
    network = await session.networks.create(p.NetworkSpec(name=name), Token(name))
    spec = p.SubnetSpec(name=name, network_id=network.id, cidr=cidr)
    subnet = await session.subnets.create(spec, Token(name))
    return network, subnet


async def port_on(session, network, name, **changes):
    spec = p.PortSpec(name=name, network_id=network.id, **changes)
    return await session.ports.create(spec, Token(name))


def test_a_network_lists_its_subnets_after_an_update_and_forgets_deleted_ones():
    async def story(session):
        network, subnet = await network_of(session, "n")
        await session.networks.update(network.id, p.NetworkSpec(name="renamed"))
        renamed = await session.networks.get(network.id)
        assert (renamed.name, renamed.subnet_ids) == ("renamed", (subnet.id,))
        await session.subnets.delete(subnet.id)
        assert (await session.networks.get(network.id)).subnet_ids == ()

    told(story)


def test_a_volume_stays_attached_through_an_update_and_is_free_after_the_detachment():
    async def story(session):
        network, _ = await network_of(session, "n")
        port = await port_on(session, network, "a")
        spec = p.ServerSpec(name="s", flavor="m1.tiny", nics=(p.Nic(port_id=port.id),))
        server = await session.servers.create(spec, Token("s"))
        volume = await session.volumes.create(p.VolumeSpec(name="v", size_gib=1), Token("v"))
        inside = p.VolumeAttachmentSpec(server_id=server.id, volume_id=volume.id)
        await session.volume_attachments.create(inside, Token("va"))
        updated = await session.volumes.update(volume.id, p.VolumeSpec(name="v", size_gib=2))
        assert updated.attached_to == (server.id,)
        await session.volume_attachments.delete(volume.id)
        assert (await session.volumes.get(volume.id)).attached_to == ()

    told(story)


def test_a_port_belongs_to_its_server_until_the_server_is_gone():
    async def story(session):
        network, _ = await network_of(session, "n")
        port = await port_on(session, network, "a")
        spec = p.ServerSpec(name="s", flavor="m1.tiny", nics=(p.Nic(port_id=port.id),))
        server = await session.servers.create(spec, Token("s"))
        renamed = await session.ports.update(port.id, p.PortSpec(name="b", network_id=network.id))
        assert (renamed.device_id, renamed.device_owner) == (server.id, "compute:nova")
        await session.servers.delete(server.id)
        assert (await session.ports.get(port.id)).device_id == ""
        other = await session.servers.create(spec, Token("o"))
        # As in Neutron: a server loses a port that is deleted.
        await session.ports.delete(port.id)
        await session.servers.update(other.id, p.ServerSpec(name="o", flavor="m1.tiny"))
        await session.servers.delete(other.id)

    told(story)


def test_networks_with_the_same_range_share_no_addresses():
    """Freeing 10.0.0.2 of one network leaves the other network's 10.0.0.2 taken."""

    async def story(session):
        one, _ = await network_of(session, "one")
        two, _ = await network_of(session, "two")
        first, second = await port_on(session, one, "a"), await port_on(session, two, "b")
        assert first.fixed_ips[0].ip_address == second.fixed_ips[0].ip_address == "10.0.0.2"
        await session.ports.delete(first.id)
        assert (await port_on(session, two, "c")).fixed_ips[0].ip_address == "10.0.0.3"
        assert (await port_on(session, one, "d")).fixed_ips[0].ip_address == "10.0.0.2"

    told(story)


def test_an_address_an_update_gave_up_is_free_again():
    async def story(session):
        network, subnet = await network_of(session, "n")
        port = await port_on(session, network, "a")
        moved = p.PortSpec(
            name="a",
            network_id=network.id,
            fixed_ips=(p.FixedIp(subnet_id=subnet.id, ip_address="10.0.0.9"),),
        )
        assert (await session.ports.update(port.id, moved)).fixed_ips[0].ip_address == "10.0.0.9"
        assert (await port_on(session, network, "b")).fixed_ips[0].ip_address == "10.0.0.2"

    told(story)


def test_a_private_key_is_answered_by_create_only():
    async def story(session):
        made = await session.key_pairs.create(p.KeyPairSpec(name="k"), Token("k"))
        assert made.private_key
        assert (await session.key_pairs.get("k")).private_key == ""
        assert [each.private_key for each in await session.key_pairs.list()] == [""]

    told(story)


def test_a_floating_address_says_where_it_leads_while_associated():
    async def story(session):
        public = next(each for each in await session.networks.list() if each.external)
        network, _ = await network_of(session, "n")
        port = await port_on(session, network, "a")
        asked = p.FloatingIpSpec(network_id=public.id)
        floating = await session.floating_ips.create(asked, Token("f"))
        joined = p.FloatingIpAssociationSpec(floating_ip_id=floating.id, port_id=port.id)
        await session.floating_ip_associations.create(joined, Token("fa"))
        assert (await session.floating_ips.get(floating.id)).port_id == port.id
        await session.floating_ip_associations.delete(floating.id)
        assert (await session.floating_ips.get(floating.id)).port_id is None

    told(story)


def test_building_and_deleting_take_their_time():
    """A server is BUILDING for build_seconds and DELETING for delete_seconds, then Missing."""

    async def story(session):
        spec = p.ServerSpec(name="s", flavor="m1.tiny")
        made = await session.servers.create(spec, Token("s"))
        seen = [made.status]
        await asyncio.sleep(60)
        seen.append((await session.servers.get(made.id)).status)
        await session.servers.delete(made.id)
        seen.append((await session.servers.get(made.id)).status)
        await asyncio.sleep(30)
        with pytest.raises(p.Missing):
            await session.servers.get(made.id)
        return seen

    assert told(story, build_seconds=60.0, delete_seconds=30.0) == [
        p.ObjectStatus.BUILDING,
        p.ObjectStatus.ACTIVE,
        p.ObjectStatus.DELETING,
    ]


def test_a_lost_reply_has_done_the_deed_and_a_lost_request_has_not():
    async def deed(session):
        with pytest.raises(p.Unavailable):
            await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        return (await session.networks.list())[1:]

    assert [each.name for each in told(deed, lost_reply=1.0)] == ["n"]

    async def nothing(session):
        with pytest.raises(p.Unavailable):
            await session.networks.create(p.NetworkSpec(name="n"), Token("t"))
        return session.networks.world.count("networks")

    assert told(nothing, lost_request=1.0) == 1


def test_one_seed_gives_one_sequence_of_faults():
    async def story(session):
        answers = []
        for number in range(50):
            try:
                await session.networks.create(p.NetworkSpec(name="n"), Token(str(number)))
                answers.append("made")
            except p.Unavailable as error:
                answers.append(str(error))
        return answers

    assert told(story, seed=7, lost_reply=0.3) == told(story, seed=7, lost_reply=0.3)
    assert told(story, seed=7, lost_reply=0.3) != told(story, seed=8, lost_reply=0.3)
