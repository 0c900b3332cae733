"""Networks on the loopback range: addresses keep their place, floating ones lead."""

import asyncio
import os
import signal
from ipaddress import ip_address, ip_network

import pytest

from mantle.clouds.local.floating import forwarder_process
from mantle.clouds.ports import (
    Clash,
    Exhausted,
    FixedIp,
    FloatingIpAssociationSpec,
    FloatingIpSpec,
    NetworkSpec,
    Nic,
    PortSpec,
    Refused,
    RouterInterfaceSpec,
    RouterSpec,
    SecurityGroupSpec,
    SecurityRule,
    SubnetSpec,
)
from mantle.model.ids import ProjectId, Token


async def make_subnet(world, cidr="10.0.0.0/28", project=None, **more):
    session = world.session if project is None else world.cloud.session(project)
    network = await session.networks.create(NetworkSpec(name="net"), Token("net"))
    spec = SubnetSpec(name="sub", network_id=network.id, cidr=cidr, **more)
    return network, await session.subnets.create(spec, Token("sub"))


def test_every_project_has_a_private_and_a_public_network(one_world):
    """A server needs no network of its own; a floating address has somewhere to come from."""

    async def story():
        networks = await one_world.session.networks.list()
        return [(one.name, one.external, len(one.subnet_ids)) for one in networks]

    assert asyncio.run(story()) == [("private", False, 1), ("public", True, 1)]


def test_a_templates_address_keeps_its_host_part(one_world):
    """10.0.0.5 of a /28 is the fifth address of its block, asked for in either space."""

    async def story():
        network, subnet = await make_subnet(one_world)
        wish = (FixedIp(subnet_id=subnet.id, ip_address="10.0.0.5"),)
        spec = PortSpec(name="p", network_id=network.id, fixed_ips=wish)
        port = await one_world.session.ports.create(spec, Token("p"))
        address = port.fixed_ips[0].ip_address
        with pytest.raises(Clash):
            await one_world.session.ports.create(spec, Token("q"))
        other = FixedIp(ip_address=str(ip_address(address) + 1))
        second = PortSpec(name="r", network_id=network.id, fixed_ips=(other,))
        beside = await one_world.session.ports.create(second, Token("r"))
        return address, beside.fixed_ips[0].ip_address, subnet

    address, beside, subnet = asyncio.run(story())
    assert ip_address(address) in ip_network(one_world.block)
    assert int(ip_address(address)) % 16 == 5
    assert ip_address(beside) == ip_address(address) + 1
    assert (subnet.gateway_ip, subnet.allocation_pools) == (
        "10.0.0.1",
        (("10.0.0.2", "10.0.0.14"),),
    )


def test_two_projects_with_one_cidr_never_share_an_address(one_world):
    """10.0.0.0/28 twice is two blocks."""

    async def story():
        found = []
        for name in ("a", "b"):
            project = ProjectId(name)
            network, _ = await make_subnet(one_world, project=project)
            session = one_world.cloud.session(project)
            spec = PortSpec(name="p", network_id=network.id)
            found.append((await session.ports.create(spec, Token("p"))).fixed_ips[0].ip_address)
        return found

    first, second = asyncio.run(story())
    assert first != second


def test_allocation_pools_are_honoured_until_they_are_empty(one_world):
    """Two addresses in the pool, two ports; the third is told why."""

    async def story():
        network, _ = await make_subnet(one_world, allocation_pools=(("10.0.0.7", "10.0.0.8"),))
        found = []
        for name in "ab":
            spec = PortSpec(name=name, network_id=network.id)
            port = await one_world.session.ports.create(spec, Token(name))
            found.append(int(ip_address(port.fixed_ips[0].ip_address)) % 16)
        with pytest.raises(Exhausted, match="sub"):
            await one_world.session.ports.create(
                PortSpec(name="c", network_id=network.id), Token("c")
            )
        return found

    assert asyncio.run(story()) == [7, 8]


@pytest.mark.parametrize(
    ("cidr", "words"),
    [("10.0.0.0/8", "whole range"), ("fd00::/64", "IPv4"), ("ten", "not an IPv4 network")],
)
def test_a_subnet_that_cannot_be_is_refused(one_world, cidr, words):
    """With the reason."""
    with pytest.raises(Refused, match=words):
        asyncio.run(make_subnet(one_world, cidr))


def test_what_is_in_use_stays(one_world):
    """Networks with ports, subnets with addresses, routers with interfaces; the given networks."""

    async def story():
        session = one_world.session
        network, subnet = await make_subnet(one_world)
        port = await session.ports.create(PortSpec(name="p", network_id=network.id), Token("p"))
        spec = RouterSpec(name="r", external_network_id="public")
        router = await session.routers.create(spec, Token("r"))
        assert ip_address(router.external_fixed_ips[0].ip_address) in ip_network(one_world.block)
        joined = RouterInterfaceSpec(router_id=router.id, subnet_id=subnet.id)
        interface = await session.router_interfaces.create(joined, Token("i"))
        assert interface.id == f"{router.id}:subnet_id={subnet.id}"
        for collection, one in (
            (session.networks, network),
            (session.subnets, subnet),
            (session.routers, router),
        ):
            with pytest.raises(Clash):
                await collection.delete(one.id)
        for given in await session.networks.list():
            if given.name in ("private", "public"):
                with pytest.raises(Refused):
                    await session.networks.delete(given.id)
        await session.router_interfaces.delete(interface.id)
        await session.routers.delete(router.id)
        await session.ports.delete(port.id)
        await session.subnets.delete(subnet.id)
        await session.networks.delete(network.id)
        return len(await session.networks.list())

    assert asyncio.run(story()) == 2


def test_networks_are_found_again_after_a_restart(one_world):
    """Ids, tokens and addresses, from the files."""

    async def story():
        network, subnet = await make_subnet(one_world)
        port = await one_world.session.ports.create(
            PortSpec(name="p", network_id=network.id), Token("p")
        )
        before = await one_world.session.networks.list()
        one_world.restart()
        await one_world.cloud.start()
        session = one_world.session
        assert await session.ports.find(Token("p")) == port
        assert await session.subnets.get(subnet.id) == subnet
        return before, await session.networks.list()

    before, after = asyncio.run(story())
    assert before == after


def test_a_floating_address_leads_to_its_server(one_world):
    """Also after a restart of the control plane, and of the forwarder; then to another server."""

    async def story():
        session = one_world.session
        first = await one_world.boot("first", one_world.web)
        second = await one_world.boot("second", one_world.web)
        ports = [one.addresses[0].port_id for one in (first, second)]
        spec = FloatingIpSpec(network_id="public", port_id=ports[0])
        floating = await session.floating_ips.create(spec, Token("f"))
        assert await one_world.fetch(floating.address) == "first"
        shown = (await session.servers.get(first.id)).addresses
        assert [(one.type, one.address) for one in shown][1] == ("floating", floating.address)
        with pytest.raises(Clash):
            await session.floating_ips.create(spec, Token("g"))
        folder = one_world.folder / "forwarder"
        os.kill(forwarder_process(folder).pid, signal.SIGKILL)
        one_world.restart()
        await one_world.cloud.start()
        assert await one_world.fetch(floating.address) == "first"
        session = one_world.session
        elsewhere = FloatingIpSpec(network_id="public", port_id=ports[1])
        await session.floating_ips.update(floating.id, elsewhere)

        async def look():
            return await asyncio.to_thread(one_world.fetch_now, floating.address)

        await one_world.until(look, lambda body: body == "second")
        await session.servers.delete(second.id)
        return (await session.floating_ips.get(floating.id)).port_id

    assert asyncio.run(story()) is None


def test_an_association_leads_and_its_end_leaves_the_address(one_world):
    """Its id is the floating address's."""

    async def story():
        session = one_world.session
        server = await one_world.boot("web", one_world.web)
        spec = FloatingIpSpec(network_id="public")
        floating = await session.floating_ips.create(spec, Token("f"))
        made = await session.floating_ip_associations.create(
            FloatingIpAssociationSpec(
                floating_ip_id=floating.id, port_id=server.addresses[0].port_id
            ),
            Token("a"),
        )
        body = await one_world.fetch(floating.address)
        await session.floating_ip_associations.delete(made.id)
        left = await session.floating_ips.get(floating.id)
        return made.id == floating.id, body, left.port_id

    assert asyncio.run(story()) == (True, "web", None)


def test_security_groups_stand_at_floating_addresses(one_world):
    """A port is led to only if a rule allows it; a changed rule counts at once."""

    async def story():
        session = one_world.session
        closed = SecurityGroupSpec(
            name="web", rules=(SecurityRule(protocol="tcp", port_min=22, port_max=22),)
        )
        group = await session.security_groups.create(closed, Token("g"))
        server = await one_world.boot("web", one_world.web, security_groups=("web",))
        spec = FloatingIpSpec(network_id="public", port_id=server.addresses[0].port_id)
        floating = await session.floating_ips.create(spec, Token("f"))
        await one_world.fetch(server.addresses[0].address)
        await asyncio.sleep(0.6)
        before = await asyncio.to_thread(one_world.fetch_now, floating.address)
        with pytest.raises(Clash):
            await session.security_groups.delete(group.id)
        rule = SecurityRule(
            protocol="tcp", port_min=8000, port_max=8100, remote_ip_prefix="127.0.0.0/8"
        )
        await session.security_groups.update(group.id, SecurityGroupSpec(name="web", rules=(rule,)))
        return before, await one_world.fetch(floating.address)

    assert asyncio.run(story()) == (None, "web")


def test_a_server_on_a_network_without_subnets_is_refused(one_world):
    """It would have no address."""

    async def story():
        network = await one_world.session.networks.create(NetworkSpec(name="n"), Token("n"))
        with pytest.raises(Refused, match="no subnet"):
            await one_world.boot("web", nics=(Nic(network_id=network.id),))
        return await one_world.session.ports.list()

    assert asyncio.run(story()) == []


def test_a_servers_resolver_is_its_subnets(tmp_path, world):
    """Where servers have files of their own; elsewhere the property is a limitation."""
    limited = [
        one.path for one in world.cloud.limitations if one.resource_type == "OS::Neutron::Subnet"
    ]
    if world.cloud.info.facts["isolation"] == "plain":
        assert "dns_nameservers" in limited
        return
    assert "dns_nameservers" not in limited

    async def story():
        network, _ = await make_subnet(world, dns_nameservers=("192.0.2.1",))
        script = "#!/bin/sh\ncat /etc/resolv.conf\n"
        server = await world.boot("web", script, nics=(Nic(network_id=network.id),))
        return await world.session.servers.console(server.id, 5)

    assert asyncio.run(story()) == "nameserver 192.0.2.1"
