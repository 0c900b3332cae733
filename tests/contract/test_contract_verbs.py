"""The contract's other half: verbs on servers that are, and what an operator sees of a cloud."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).parent))

import openstack_lab
from test_contract_clouds import (
    MINE,
    THEIRS,
    Laid,
    Renamed,
    gone,
    on_keeper,
    on_local,
    on_simulated,
    until,
)

from mantle.clouds import ports as p
from mantle.clouds.openstack import Entry, OpenStackCloud
from mantle.model.ids import ProjectId, Token

STEADY = (p.ObjectStatus.ACTIVE, p.ObjectStatus.ERROR)


def on_openstack(story) -> None:
    """With an operator's credentials: the verbs that need them are most of what is tried."""

    async def run(lab):
        cloud = OpenStackCloud(Entry(name="real-admin", file=lab.file))
        await cloud.start()
        try:
            await story(Renamed(cloud, {MINE: lab.mine, THEIRS: lab.theirs}))
        finally:
            await cloud.stop()

    with openstack_lab.two_projects() as lab:
        openstack_lab.furnish()
        openstack_lab.let_in("admin", "admin", lab.mine, lab.theirs)
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


async def a_server(cloud):
    laid = await Laid(cloud.session(MINE)).lay()
    made = await laid.session.servers.create(laid.server(), Token("srv"))
    return laid.session, await until(laid.session.servers, made.id, *STEADY)


def test_a_server_is_resized_once(on):
    """Another flavor, the same server; having it already is no deed; a foreign one is Missing."""

    async def story(cloud):
        session, server = await a_server(cloud)
        names = {each.name for each in await session.flavors()}
        bigger = "m1.small" if "m1.small" in names else "small"
        await session.servers.resize(server.id, bigger)
        found = await until(session.servers, server.id, *STEADY)
        before = await session.servers.deeds(server.id)
        await session.servers.resize(server.id, bigger)
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).servers.resize(server.id, bigger)
        with pytest.raises(p.Refused):
            await session.servers.resize(server.id, "no-such-flavor")
        same = await session.servers.deeds(server.id)
        verbs = {deed.verb for deed in same}
        assert (found.spec.flavor, same) == (bigger, before)
        assert verbs & {"resize", "reboot"}
        await gone(session.servers, server.id)

    on(story)


def test_a_reboot_is_remembered(on):
    """The newest deed of its kind is another one: so a reboot whose answer was lost is found."""

    async def story(cloud):
        session, server = await a_server(cloud)

        async def reboots():
            deeds = await session.servers.deeds(server.id)
            return [deed.id for deed in deeds if deed.verb == "reboot"]

        before = await reboots()
        await session.servers.power(server.id, p.Power.REBOOT)
        await until(session.servers, server.id, *STEADY)
        after = await reboots()
        assert (after[1:], len(after)) == (before, len(before) + 1)
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).servers.deeds(server.id)
        await gone(session.servers, server.id)

    on(story)


def test_a_host_knows_its_guests_and_a_server_leaves_it(on):
    """Cold and live it comes to another host; a cloud of one host refuses by name."""

    async def story(cloud):
        session, server = await a_server(cloud)
        hosts = [host.name for host in await session.hosts()]
        assert server.host in hosts
        assert server.id in {guest.id for guest in await session.guests(server.host)}
        with pytest.raises(p.Missing):
            await session.guests("no-such-host")
        if len(hosts) == 1:
            with pytest.raises(p.Refused):
                await session.servers.migrate(server.id, p.Move.COLD, None)
            await gone(session.servers, server.id)
            return
        seen = [server.host]
        for how, host in ((p.Move.COLD, None), (p.Move.LIVE, seen[0])):
            await session.servers.migrate(server.id, how, host)
            seen.append((await until(session.servers, server.id, *STEADY)).host)
            assert how in {deed.verb for deed in await session.servers.deeds(server.id)}
        assert seen[1] != seen[0]
        assert seen[2] == seen[0]
        with pytest.raises(p.Missing):
            await cloud.session(THEIRS).servers.migrate(server.id, p.Move.COLD, None)
        await gone(session.servers, server.id)

    on(story)


def test_a_service_is_disabled_with_a_reason_and_enabled_again(on):
    """Its host then gets nothing new; an unknown service is Missing."""

    async def story(cloud):
        session = cloud.session(MINE)
        with pytest.raises(p.Missing):
            await session.set_service("nonsense", False, "")
        for service in [each for each in await session.services() if "-compute" in each.name][-1:]:
            await session.set_service(service.id, False, "a test looks")
            try:
                (off,) = [each for each in await session.services() if each.id == service.id]
            finally:
                await session.set_service(service.id, True, "")
            (again,) = [each for each in await session.services() if each.id == service.id]
            assert (off.enabled, off.reason, again.enabled) == (False, "a test looks", True)

    on(story)


@pytest.mark.openstack
def test_a_members_credentials_see_no_hosts():
    """What is the operator's is Denied to others, in the service's own words."""

    async def story(lab):
        cloud = OpenStackCloud(Entry(name="real-demo", file=lab.file))
        session = cloud.session(ProjectId(lab.mine))
        for asked in (session.hosts(), session.services(), session.guests("compute-1")):
            with pytest.raises(p.Denied):
                await asked
        await cloud.stop()

    with openstack_lab.two_projects() as lab:
        asyncio.run(story(lab))
