"""The control plane may be killed at any instant: nothing doubled, nothing left, nothing lost."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

import pytest

from mantle.clouds.local import processes
from mantle.clouds.ports import Nic, ObjectStatus, PortSpec
from mantle.model.ids import Token

STORY = """
import asyncio, sys
from pathlib import Path
from mantle.clouds.local import LocalCloud
from mantle.clouds.ports import *
from mantle.model.ids import ProjectId, Token

async def main(folder, block, tier, balancer):
    cloud = LocalCloud(
        Path(folder), loopback_block=block, force_tier=tier or None,
        force_load_balancer=balancer or None,
    )
    await cloud.start()
    session = cloud.session(ProjectId("project-1"))
    print("ready", flush=True)
    script = "#!/bin/sh\\nsetsid sleep 1000 &\\nexec sleep 1000\\n"
    servers = [
        session.servers.create(
            ServerSpec(name=f"s{n}", flavor="m1.tiny", user_data=script), Token(f"t{n}")
        )
        for n in range(6)
    ]
    await asyncio.gather(*servers)
    balancer = await session.load_balancers.create(
        LoadBalancerSpec(name="lb", vip_subnet_id="private-subnet"), Token("lb")
    )
    listener = await session.listeners.create(
        ListenerSpec(name="l", load_balancer_id=balancer.id, protocol="HTTP", protocol_port=8080),
        Token("l"),
    )
    await session.pools.create(
        PoolSpec(name="p", protocol="HTTP", algorithm="ROUND_ROBIN", listener_id=listener.id),
        Token("p"),
    )
    print("done", flush=True)
    for server in await session.servers.list():
        await session.servers.delete(server.id)
    print("deleted", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_any_moment(world, seed):
    """Each server that was recorded runs exactly once, or is being deleted; then all can go."""
    tier = world.cloud.info.facts["isolation"]
    command = [sys.executable, "-c", STORY, str(world.folder), world.block, tier, ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as control_plane:
        control_plane.stdout.readline()
        # The story takes about half a second; the seed chooses where in it the power fails.
        time.sleep(random.Random(seed).random() * 0.6)
        os.kill(control_plane.pid, signal.SIGKILL)

    async def recover():
        world.restart()
        await world.cloud.start()
        servers = await world.session.servers.list()
        for server in servers:
            again = await world.session.servers.find(server.token)
            assert again.id == server.id
            await world.settled(server.id, ObjectStatus.ACTIVE)
        supervisors = supervisors_of(world)
        for _ in range(100):
            if len(supervisors) == len(set(supervisors)):
                break
            # A child between fork and exec still has its supervisor's command line.
            await asyncio.sleep(0.05)
            supervisors = supervisors_of(world)
        ports = [port.device_id for port in await world.session.ports.list()]
        return len(servers), len(supervisors), len(set(supervisors)), set(ports), servers

    servers, supervisors, different, devices, found = asyncio.run(recover())
    assert supervisors == different == servers
    assert {server.id for server in found} <= devices


def supervisors_of(world):
    """The command lines of the supervisors that run."""
    return [
        command_line
        for pid, _ in world.processes()
        if "supervisor.py" in (command_line := _command(pid))
    ]


def _command(pid):
    try:
        return (processes.PROC / str(pid) / "cmdline").read_text()
    except OSError:
        return ""


def test_a_file_cut_short_is_as_if_never_written(one_world):
    """A half-written record is beside its place, and is swept away."""

    async def story():
        server = await one_world.boot("web")
        folder = one_world.session.servers._shelf.folder
        (folder / "half.json.part").write_bytes(b'{"object": {')
        one_world.restart()
        await one_world.cloud.start()
        found = await one_world.session.servers.find(Token("token-web"))
        return found.id == server.id, list(folder.glob("*.part"))

    assert asyncio.run(story()) == (True, [])


def test_a_port_taken_for_a_server_that_was_never_recorded_is_free_again(one_world):
    """The port is taken first; killed before the server's record, the same request comes again."""

    async def story():
        ports = one_world.session.ports
        port = await ports.create(PortSpec(name="p", network_id="private"), Token("p"))
        named = await ports.create(
            PortSpec(name="n", network_id="private", device_id="theirs"), Token("n")
        )
        one_world.session.servers._ports.bind(port.id, "never-recorded", "compute:local")
        one_world.restart()
        await one_world.cloud.start()
        server = await one_world.boot("web", nics=(Nic(port_id=port.id),))
        ports = one_world.session.ports
        devices = [(await ports.get(each.id)).device_id for each in (port, named)]
        return devices == [server.id, "theirs"]

    assert asyncio.run(story())


SYSTEM_PYTHON = Path("/usr/bin/python3")


@pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None or not SYSTEM_PYTHON.exists(),
    reason="only root can become someone else",
)
@pytest.mark.parametrize("tier", ["bwrap", "plain"])
def test_it_works_without_root(tmp_path_factory, tier):
    """An ordinary user without a home creates, balances and deletes the same."""
    packages = sysconfig.get_path("purelib")
    sources = Path(__file__).parents[3] / "src"
    version = "import sys; print('%d.%d' % sys.version_info[:2])"
    found = subprocess.run(
        [SYSTEM_PYTHON, "-c", version], capture_output=True, text=True, check=True
    ).stdout.strip()
    if found != f"{sys.version_info[0]}.{sys.version_info[1]}":
        pytest.skip(f"{SYSTEM_PYTHON} is {found}, and the packages are for another version")
    folder = Path(f"/tmp/mantle-test-{os.getpid()}-{tier}")
    block = f"127.{230 + os.getpid() % 24}.{16 * (tier == 'plain')}.0/20"
    folder.mkdir()
    try:
        os.chown(folder, 65534, 65534)
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
             SYSTEM_PYTHON, "-c", STORY, str(folder / "data"), block,
             tier, ""],
            env={"PYTHONPATH": f"{sources}:{packages}", "PATH": os.environ["PATH"],
                 "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"},
            cwd="/", capture_output=True, text=True, timeout=100, check=False,
        )  # fmt: skip
        assert done.stdout.split() == ["ready", "done", "deleted"], done.stderr
        left = [pid for pid in processes.all_pids() if str(folder) in _command(pid)]
        assert left == []
    finally:
        for pid in processes.all_pids():
            if str(folder) in _command(pid) or _owner(pid) == str(folder):
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def _owner(pid):
    """The folder above a load balancer's working folder, if it works in one of this test."""
    try:
        place = (processes.PROC / str(pid) / "cwd").readlink()
    except OSError:
        return ""
    return str(Path(*place.parts[:3]))
