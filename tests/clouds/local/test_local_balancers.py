"""Load balancers carry real requests, and lose none when members come and go."""

import asyncio
import http.client
import os
import shutil
import signal
import threading

import pytest

from mantle.clouds.local.daemon import Daemon
from mantle.clouds.local.wish import read_wish
from mantle.clouds.ports import (
    Clash,
    HealthMonitorSpec,
    ListenerSpec,
    LoadBalancerSpec,
    MemberSpec,
    Missing,
    ObjectStatus,
    PoolSpec,
    Refused,
)
from mantle.model.ids import Token

needs_haproxy = pytest.mark.skipif(
    not (shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")),
    reason="HAProxy is not installed",
)
PORT = 8080


class Balanced:
    """A load balancer with a listener and a pool, and requests through it."""

    def __init__(self, world):
        self.world = world
        self.failures = []
        self.answers = []
        self.stopping = threading.Event()

    async def build(self, **pool):
        session = self.world.session
        self.balancer = await session.load_balancers.create(
            LoadBalancerSpec(name="lb", vip_subnet_id="private-subnet"), Token("lb")
        )
        self.listener = await session.listeners.create(
            ListenerSpec(
                name="l",
                load_balancer_id=self.balancer.id,
                protocol="HTTP",
                protocol_port=PORT,
            ),
            Token("l"),
        )
        asked = {"protocol": "HTTP", "algorithm": "ROUND_ROBIN"} | pool
        self.pool = await session.pools.create(
            PoolSpec(name="p", listener_id=self.listener.id, **asked), Token("p")
        )
        return self

    async def add(self, name, script=None):
        server = await self.world.boot(name, script or self.world.web)
        address = server.addresses[0].address
        await self.world.fetch(address)
        member = await self.world.session.members.create(
            MemberSpec(pool_id=self.pool.id, address=address, protocol_port=PORT),
            Token(f"m-{name}"),
        )
        return server, member

    async def remove(self, server, member):
        """In the order a stack deletes: the member, then its server."""
        members = self.world.session.members
        await members.delete(member.id)
        await self.world.gone(members, member.id)
        await self.world.session.servers.delete(server.id)

    async def monitor(self):
        spec = HealthMonitorSpec(
            pool_id=self.pool.id, type="HTTP", delay_seconds=1, timeout_seconds=1, max_retries=1
        )
        return await self.world.session.health_monitors.create(spec, Token("hm"))

    def ask(self):
        connection = http.client.HTTPConnection(self.balancer.vip_address, PORT, timeout=10)
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status, answer.read().decode().strip()
        finally:
            connection.close()

    def hammer(self):
        while not self.stopping.is_set():
            try:
                status, body = self.ask()
            except OSError as problem:
                self.failures.append(repr(problem))
                continue
            (self.answers if status == 200 else self.failures).append(body)


@needs_haproxy
def test_planned_changes_lose_no_request(one_world):
    """Members come and go, their servers end, a monitor is made: every request is served."""

    async def story():
        balanced = await Balanced(one_world).build()
        kept = await balanced.add("kept")
        threads = [threading.Thread(target=balanced.hammer) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for number in range(4):
                extra = await balanced.add(f"extra-{number}")
                await asyncio.sleep(0.2)
                await balanced.remove(*extra)
                if number == 1:
                    await balanced.monitor()
        finally:
            balanced.stopping.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
        assert kept
        return balanced

    balanced = asyncio.run(story())
    assert balanced.failures == []
    assert {"kept", "extra-0", "extra-3"} <= set(balanced.answers)


@needs_haproxy
def test_a_member_with_a_request_leaves_only_after_it(one_world):
    """It takes no new request, finishes the one it has, and is gone then."""
    slow = (
        "#!/usr/bin/env python3\n"
        "import http.server, os, time\n"
        "class Slow(http.server.SimpleHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        time.sleep(1.0 if self.headers.get('Slow') else 0)\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "        self.wfile.write(b'slow')\n"
        "place = (os.environ['SERVER_IP'], 8080)\n"
        "http.server.ThreadingHTTPServer(place, Slow).serve_forever()\n"
    )

    async def story():
        balanced = await Balanced(one_world).build()
        _, member = await balanced.add("slow", slow)

        def ask_slowly():
            place = (balanced.balancer.vip_address, PORT)
            connection = http.client.HTTPConnection(*place, timeout=10)
            connection.request("GET", "/", headers={"Slow": "1"})
            body = connection.getresponse().read()
            connection.close()
            return body

        asking = asyncio.create_task(asyncio.to_thread(ask_slowly))
        await asyncio.sleep(0.3)
        members = one_world.session.members
        await members.delete(member.id)
        during = (await members.get(member.id)).status
        body = await asking
        await one_world.gone(members, member.id)
        return during, body

    assert asyncio.run(story()) == (ObjectStatus.DELETING, b"slow")


@needs_haproxy
def test_a_restarted_control_plane_finds_its_load_balancer(one_world):
    """The same process goes on; one that was killed is started again with all members."""

    async def story():
        balanced = await Balanced(one_world).build()
        await balanced.add("web")
        wish = read_wish(one_world.session.pools._project, balanced.balancer.id)
        daemon = Daemon(wish.id, wish.folder)
        before = daemon.process()
        one_world.restart()
        await one_world.cloud.start()
        assert daemon.process() == before
        assert (await asyncio.to_thread(balanced.ask)) == (200, "web")
        os.kill(before.pid, signal.SIGKILL)
        one_world.restart()
        await one_world.cloud.start()
        assert daemon.process() not in (None, before)
        return await one_world.fetch(balanced.balancer.vip_address)

    assert asyncio.run(story()) == "web"


@needs_haproxy
def test_a_program_that_is_only_just_starting_is_waited_for(one_world):
    """The control plane was killed between starting it and its first answer; it is found so."""

    async def story():
        balanced = Balanced(one_world)
        await balanced.build()
        wish = read_wish(one_world.session.pools._project, balanced.balancer.id)
        socket = wish.folder / "admin.sock"
        hidden = socket.rename(socket.with_name("not-yet.sock"))
        appears = threading.Timer(0.3, hidden.rename, [socket])
        appears.start()
        await one_world.session.listeners.create(
            ListenerSpec(
                name="second",
                load_balancer_id=balanced.balancer.id,
                protocol="HTTP",
                protocol_port=PORT + 1,
            ),
            Token("second"),
        )
        appears.join()
        return [listener.name for listener in await one_world.session.listeners.list()]

    assert asyncio.run(story()) == ["l", "second"]


@needs_haproxy
def test_a_monitor_says_who_is_well(one_world):
    """None without one; then True for who answers and False for who does not."""

    async def story():
        balanced = await Balanced(one_world).build()
        _, good = await balanced.add("good")
        members = one_world.session.members
        assert (await members.get(good.id)).online is None
        bad = await members.create(
            MemberSpec(pool_id=balanced.pool.id, address="127.255.255.1", protocol_port=1),
            Token("bad"),
        )
        await balanced.monitor()
        await one_world.until(lambda: members.get(bad.id), lambda one: one.online is False)
        await one_world.until(lambda: members.get(good.id), lambda one: one.online is True)
        return {balanced.ask() for _ in range(4)}

    assert asyncio.run(story()) == {(200, "good")}


@needs_haproxy
@pytest.mark.parametrize("kind", ["HTTP_COOKIE", "SOURCE_IP"])
def test_a_session_stays_with_its_member(one_world, kind):
    """By cookie, or by where it comes from; members can still be added."""

    async def story():
        balanced = await Balanced(one_world).build(session_persistence={"type": kind})
        for name in ("one", "two"):
            await balanced.add(name)
        connection = http.client.HTTPConnection(balanced.balancer.vip_address, PORT, timeout=10)
        seen, cookie = set(), None
        for _ in range(6):
            connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
            answer = connection.getresponse()
            seen.add(answer.read())
            cookie = cookie or (answer.getheader("Set-Cookie") or "").partition(";")[0]
        connection.close()
        return len(seen)

    assert asyncio.run(story()) == 1


@needs_haproxy
def test_weights_and_switches_take_effect_in_place(one_world):
    """A member switched off gets nothing; switched on again, it does."""

    async def story():
        balanced = await Balanced(one_world).build()
        _, one = await balanced.add("one")
        await balanced.add("two")
        members = one_world.session.members

        def spec(**more):
            return MemberSpec(
                pool_id=balanced.pool.id, address=one.spec.address, protocol_port=PORT, **more
            )

        await members.update(one.id, spec(admin_state_up=False))
        off = {balanced.ask()[1] for _ in range(6)}
        await members.update(one.id, spec(weight=3))
        return off, {balanced.ask()[1] for _ in range(12)}

    assert asyncio.run(story()) == ({"two"}, {"one", "two"})


def test_caddy_balances_too(caddy_world):
    """The weaker one: two members answer, one is removed, the other goes on."""

    async def story():
        balanced = await Balanced(caddy_world).build()
        first = await balanced.add("first")
        await balanced.add("second")
        both = {balanced.ask()[1] for _ in range(6)}
        await balanced.remove(*first)
        caddy_world.restart()
        await caddy_world.cloud.start()
        return both, {balanced.ask() for _ in range(4)}

    assert asyncio.run(story()) == ({"first", "second"}, {(200, "second")})
    assert caddy_world.cloud.info.facts["load_balancer"] == "Caddy"


def test_caddy_refuses_what_it_cannot(caddy_world):
    """TCP is HAProxy's; the limitation is known before, too."""
    with pytest.raises(Refused, match="TCP"):
        asyncio.run(Balanced(caddy_world).build(protocol="TCP"))
    refused = {
        value
        for one in caddy_world.cloud.limitations
        if (one.resource_type, one.path) == ("OS::Octavia::Pool", "protocol")
        for value in one.values
    }
    assert "TCP" in refused


@needs_haproxy
@pytest.mark.parametrize(
    "spec",
    [
        {"url_path": "/\n  server evil 127.0.0.1:1"},
        {"url_path": "no-slash"},
        {"http_method": "GET uri /evil"},
        {"expected_codes": "200\nglobal"},
        {"type": "PING"},
        {"delay_seconds": 0},
    ],
)
def test_nothing_written_by_a_person_becomes_configuration(one_world, spec):
    """Names, paths and codes are checked: none can add a line to HAProxy's configuration."""

    async def story():
        balanced = await Balanced(one_world).build()
        asked = {"type": "HTTP", "delay_seconds": 1, "timeout_seconds": 1, "max_retries": 1} | spec
        with pytest.raises(Refused):
            await one_world.session.health_monitors.create(
                HealthMonitorSpec(pool_id=balanced.pool.id, **asked), Token("hm")
            )
        with pytest.raises(Refused):
            await one_world.session.members.create(
                MemberSpec(pool_id=balanced.pool.id, address="1.2.3.4;shutdown", protocol_port=1),
                Token("m"),
            )
        return await one_world.session.health_monitors.list()

    assert asyncio.run(story()) == []


@needs_haproxy
def test_what_is_in_use_stays_and_what_goes_takes_its_own(one_world):
    """A load balancer with listeners stays; a pool takes its members and monitor along."""

    async def story():
        session = one_world.session
        balanced = await Balanced(one_world).build()
        _, member = await balanced.add("web")
        monitor = await balanced.monitor()
        shown = await session.pools.get(balanced.pool.id)
        assert (shown.member_ids, shown.health_monitor_id) == ((member.id,), monitor.id)
        assert shown.listener_ids == (balanced.listener.id,)
        with pytest.raises(Clash):
            await session.load_balancers.delete(balanced.balancer.id)
        await session.pools.delete(balanced.pool.id)
        for collection, one in ((session.members, member), (session.health_monitors, monitor)):
            with pytest.raises(Missing):
                await collection.get(one.id)
        assert balanced.ask()[0] == 503
        await session.listeners.delete(balanced.listener.id)
        await session.load_balancers.delete(balanced.balancer.id)
        return [name for _, name in one_world.processes() if name == "haproxy"]

    assert asyncio.run(story()) == []


@needs_haproxy
def test_a_taken_port_is_a_clash(one_world):
    """Something else listens there: said when the listener is made."""

    async def story():
        session = one_world.session
        balancer = await session.load_balancers.create(
            LoadBalancerSpec(name="lb", vip_subnet_id="private-subnet"), Token("lb")
        )
        server = await asyncio.start_server(lambda *_: None, balancer.vip_address, PORT)
        spec = ListenerSpec(
            name="l", load_balancer_id=balancer.id, protocol="HTTP", protocol_port=PORT
        )
        async with server:
            with pytest.raises(Clash, match=str(PORT)):
                await session.listeners.create(spec, Token("l"))
        return await session.listeners.list()

    assert asyncio.run(story()) == []
