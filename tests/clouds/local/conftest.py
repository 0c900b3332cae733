"""A local cloud of its own for each test, on addresses of its own; nothing may outlive the test."""

import asyncio
import itertools
import os
import time
import urllib.request
from pathlib import Path

import pytest

from mantle.clouds.local import LocalCloud, processes
from mantle.clouds.ports import Missing, ObjectStatus, ServerSpec
from mantle.model.ids import ProjectId, Token

numbers = itertools.count()
WEB = """#!/bin/sh
echo "$SERVER_NAME" > index.html
exec python3 -m http.server --bind "$SERVER_IP" "$PORT"
"""


class World:
    """A data folder, and the verbs tests need to read as sentences."""

    project = ProjectId("project-1")
    web = WEB

    def __init__(self, folder, tier=None, balancer=None, block=None):
        self.folder = folder
        place = (os.getpid() * 16 + next(numbers)) % 1600
        self.block = block or f"127.{128 + place // 16}.{place % 16 * 16}.0/20"
        self.options = {"force_tier": tier, "force_load_balancer": balancer}
        self.cloud = self.open()

    def open(self):
        """A control plane over the same folder, as after a restart."""
        return LocalCloud(
            self.folder,
            loopback_block=self.block,
            metadata_base_url="http://127.0.0.1:8778/metadata",
            **self.options,
        )

    def restart(self):
        """Another control plane takes over; the old one is simply forgotten, as by kill -9."""
        self.cloud = self.open()

    @property
    def session(self):
        return self.cloud.session(self.project)

    async def boot(self, name, user_data="", **more):
        """A server, awaited until it is ACTIVE or ERROR."""
        spec = ServerSpec(name=name, flavor="m1.tiny", user_data=user_data, **more)
        made = await self.session.servers.create(spec, Token(f"token-{name}"))
        return await self.settled(made.id)

    async def settled(self, server_id, *wanted):
        wanted = wanted or (ObjectStatus.ACTIVE, ObjectStatus.ERROR)
        return await self.until(
            lambda: self.session.servers.get(server_id), lambda server: server.status in wanted
        )

    async def until(self, look, good, seconds=20):
        deadline = time.monotonic() + seconds
        while not good(seen := await look()):
            assert time.monotonic() < deadline, f"still {seen}"
            await asyncio.sleep(0.02)
        return seen

    async def gone(self, collection, object_id):
        async def look():
            try:
                return await collection.get(object_id)
            except Missing:
                return None

        await self.until(look, lambda seen: seen is None)

    async def fetch(self, address, port=8080):
        """The body behind an address, as soon as it answers."""

        async def look():
            return await asyncio.to_thread(self.fetch_now, address, port)

        return await self.until(look, lambda body: body is not None)

    @staticmethod
    def fetch_now(address, port=8080):
        try:
            with urllib.request.urlopen(f"http://{address}:{port}/", timeout=5) as answer:
                return answer.read().decode().strip()
        except OSError:
            return None

    async def clear(self):
        """Delete everything, in an order that works."""
        session = self.session
        for name in (
            "members",
            "health_monitors",
            "pools",
            "listeners",
            "load_balancers",
            "floating_ips",
            "servers",
        ):
            collection = getattr(session, name)
            for one in await collection.list():
                await collection.delete(one.id)
                await self.gone(collection, one.id)

    def processes(self):
        """Every process that has anything to do with this cloud's folder."""
        found = []
        for pid in processes.all_pids():
            place = Path("/proc") / str(pid)
            try:
                text = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
                text += str((place / "cwd").readlink()).encode()
            except OSError:
                continue
            alive = processes.start_time_of(pid) is not None
            if alive and pid != os.getpid() and str(self.folder).encode() in text:
                found.append((pid, (place / "comm").read_text().strip()))
        return found


@pytest.fixture(params=["bwrap", "plain"])
def world(request, tmp_path):
    """A local cloud in each isolation tier."""
    yield from worlds(tmp_path / "data", request.param)


@pytest.fixture
def one_world(tmp_path):
    """A local cloud in whatever tier this machine has."""
    yield from worlds(tmp_path / "data", None)


@pytest.fixture
def caddy_world(tmp_path):
    """A local cloud that balances with Caddy."""
    yield from worlds(tmp_path / "data", None, "caddy")


def worlds(folder, tier, balancer=None):
    made = World(folder, tier, balancer)
    yield made

    def finish():
        asyncio.run(made.clear())
        deadline = time.monotonic() + 5
        while (left := made.processes()) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == []

    finish()
