"""Servers live, fail and die for real, in both isolation tiers."""

import asyncio
import json
import os
import signal

import pytest

from mantle.clouds.local import processes
from mantle.clouds.ports import (
    BlockDevice,
    Clash,
    KeyPairSpec,
    Missing,
    Nic,
    ObjectStatus,
    PortSpec,
    Power,
    Refused,
    ServerSpec,
    VolumeAttachmentSpec,
    VolumeSpec,
)
from mantle.model.ids import ProjectId, Token


def test_a_script_that_stays_is_the_servers_program(world):
    """It answers at the server's own address."""

    async def story():
        first = await world.boot("first", world.web)
        second = await world.boot("second", world.web)
        assert first.status is second.status is ObjectStatus.ACTIVE
        return [await world.fetch(one.addresses[0].address) for one in (first, second)]

    assert asyncio.run(story()) == ["first", "second"]


def test_a_script_that_ends_well_leaves_the_server_up(world):
    """With whatever it left running, which still belongs to it."""

    async def story():
        server = await world.boot("web", "#!/bin/sh\n(setsid sleep 1000 &)\necho ready\n")
        await asyncio.sleep(0.2)
        again = await world.session.servers.get(server.id)
        return again.status, await world.session.servers.console(server.id, 5)

    assert asyncio.run(story()) == (ObjectStatus.ACTIVE, "ready")
    assert "sleep" in [name for _, name in world.processes()]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo oops; exit 3", ["exit code 3", "oops", "'web'", "user_data"]),
        ("kill -9 $$", ["signal 9 (SIGKILL)"]),
        ("no-such-program", ["exit code 127", "no-such-program"]),
    ],
)
def test_a_script_that_fails_is_explained(world, script, words):
    """ERROR names how it ended and shows the end of the console log."""
    server = asyncio.run(world.boot("web", f"#!/bin/sh\n{script}\n"))
    assert server.status is ObjectStatus.ERROR
    assert [word for word in words if word not in server.fault] == []


def test_an_interpreter_that_is_not_there_is_explained(world):
    """`#!/no/such` fails the boot; nothing hangs."""
    server = asyncio.run(world.boot("web", "#!/no/such\n"))
    assert server.status is ObjectStatus.ERROR
    assert "exit code 127" in server.fault


def test_a_program_that_dies_later_puts_its_server_into_error(world):
    """Real death, by kill -9."""

    async def story():
        server = await world.boot("web", world.web)
        await world.fetch(server.addresses[0].address)
        for pid, name in world.processes():
            if "http.server" in (processes.PROC / str(pid) / "cmdline").read_text():
                assert name.startswith("python")
                os.kill(pid, signal.SIGKILL)
        return await world.settled(server.id, ObjectStatus.ERROR)

    assert "signal 9" in asyncio.run(story()).fault


def test_a_boot_that_must_finish_and_hangs_is_ended(world):
    """`mantle:boot: complete` with a time says what a hanging script means."""
    metadata = {"mantle:boot": "complete", "mantle:boot_timeout_seconds": "0.5"}
    script = "#!/bin/sh\necho waiting for godot\nsleep 1000\n"
    server = asyncio.run(world.boot("web", script, metadata=metadata))
    assert server.status is ObjectStatus.ERROR
    assert "not finished after 0.5 s" in server.fault
    assert "waiting for godot" in server.fault


def test_a_server_that_takes_too_much_memory_is_ended(world):
    """512 MiB is what m1.tiny has."""

    async def story():
        server = await world.boot(
            "web",
            "#!/usr/bin/env python3\nimport time\nx = b'x' * (600 << 20)\ntime.sleep(100)\n",
        )
        return await world.settled(server.id, ObjectStatus.ERROR)

    assert "its flavor has 512 MiB" in asyncio.run(story()).fault


AWAY = {
    "daemon": "(setsid sh -c 'setsid sleep 1000 & setsid sleep 1000' &)",
    "deaf": "(trap '' TERM INT HUP; setsid sleep 1000 &)",
    "no environment": "env -i setsid sleep 1000 &",
    "small fork bomb": "for i in $(seq 60); do (sh -c 'sleep 1000 & sleep 1000' &); done",
}


@pytest.mark.parametrize("way", AWAY)
def test_deleting_ends_every_process(world, way):
    """However it tried to get away."""

    async def story():
        server = await world.boot("web", f"#!/bin/sh\n{AWAY[way]}\nsleep 0.1\nexit 0\n")
        before = len(world.processes())
        await world.session.servers.delete(server.id)
        await world.gone(world.session.servers, server.id)
        return before, world.processes()

    before, after = asyncio.run(story())
    assert before > 1
    assert after == []


def test_deleting_finds_processes_whose_supervisor_was_killed(world):
    """To kill -9 the supervisor is a failure, and no way to leave processes behind."""

    async def story():
        server = await world.boot("web", "#!/bin/sh\n(setsid sleep 1000 &)\nexec sleep 1000\n")
        supervisor = world.session.servers.machine(server.id).supervisor()
        os.kill(supervisor.pid, signal.SIGKILL)
        failed = await world.settled(server.id, ObjectStatus.ERROR)
        await world.session.servers.delete(server.id)
        return failed.fault

    assert "supervisor" in asyncio.run(story())
    assert world.processes() == []


def test_power(world):
    """Off ends the processes, on boots again, suspend freezes, resume lets go on."""

    async def story():
        servers = world.session.servers
        server = await world.boot("web", world.web)
        address = server.addresses[0].address
        assert await world.fetch(address) == "web"
        await servers.power(server.id, Power.SUSPEND)
        await world.settled(server.id, ObjectStatus.SUSPENDED)
        assert servers.machine(server.id).is_frozen()
        with pytest.raises(Clash):
            await servers.power(server.id, Power.ON)
        await servers.power(server.id, Power.RESUME)
        assert await world.fetch(address) == "web"
        await servers.power(server.id, Power.OFF)
        await world.settled(server.id, ObjectStatus.STOPPED)
        assert world.processes() == []
        with pytest.raises(Clash):
            await servers.power(server.id, Power.SUSPEND)
        await servers.power(server.id, Power.ON)
        await world.settled(server.id, ObjectStatus.ACTIVE)
        first = servers.machine(server.id).supervisor()
        await servers.power(server.id, Power.REBOOT)
        await world.settled(server.id, ObjectStatus.ACTIVE)
        assert servers.machine(server.id).supervisor() != first
        return await world.fetch(address)

    assert asyncio.run(story()) == "web"


def test_a_restarted_control_plane_finds_its_servers(world):
    """The same processes go on; the same token answers the same server; none is doubled."""

    async def story():
        server = await world.boot("web", world.web)
        stopped = await world.boot("off")
        await world.session.servers.power(stopped.id, Power.OFF)
        before = world.processes()
        world.restart()
        await world.cloud.start()
        found = await world.session.servers.find(server.token)
        again = await world.boot("web", world.web)
        assert again.id == server.id == found.id
        assert again.addresses == server.addresses
        assert (await world.session.servers.get(stopped.id)).status is ObjectStatus.STOPPED
        await world.fetch(server.addresses[0].address)
        return before, world.processes()

    before, after = asyncio.run(story())
    assert before == after


def test_servers_are_booted_again_after_the_machine_restarted(one_world):
    """The supervisor's record is of another run of the machine: nothing it says can be alive."""

    async def story():
        server = await one_world.boot("web", one_world.web)
        machine = one_world.session.servers.machine(server.id)
        machine.end(hard=True)
        record = machine.run / "pid.json"
        record.write_text(json.dumps(json.loads(record.read_text()) | {"machine": "before"}))
        one_world.restart()
        await one_world.cloud.start()
        await one_world.settled(server.id, ObjectStatus.ACTIVE)
        return await one_world.fetch(server.addresses[0].address)

    assert asyncio.run(story()) == "web"


def test_a_delete_cut_short_is_finished(one_world):
    """Marked, then killed: the next control plane ends the processes and forgets the server."""

    async def story():
        servers = one_world.session.servers
        server = await one_world.boot("web", "#!/bin/sh\nexec sleep 1000\n")
        servers._let_go(servers.entry(server.id))
        one_world.restart()
        await one_world.cloud.start()
        return await one_world.session.servers.list(), await one_world.session.ports.list()

    assert asyncio.run(story()) == ([], [])
    assert one_world.processes() == []


def test_volumes_move_into_their_server_and_back(world):
    """Also while it runs; they are kept when the server is deleted."""

    async def story():
        session = world.session
        volume = await session.volumes.create(VolumeSpec(name="data", size_gib=1), Token("v"))
        server = await world.boot(
            "web",
            "#!/bin/sh\nwhile [ ! -d volumes/vdc ]; do sleep 0.02; done\n"
            "echo kept > volumes/vdc/file\nexec sleep 1000\n",
        )
        where = VolumeAttachmentSpec(
            server_id=server.id, volume_id=volume.id, mountpoint="/dev/vdc"
        )
        await session.volume_attachments.create(where, Token("a"))
        written = session.servers.machine(server.id).root / "volumes/vdc/file"

        async def look():
            return written.exists()

        await world.until(look, bool)
        with pytest.raises(Clash):
            await session.volumes.delete(volume.id)
        assert (await session.volumes.get(volume.id)).attached_to == (server.id,)
        await session.servers.delete(server.id)
        copy = await session.volumes.create(
            VolumeSpec(name="copy", size_gib=2, source_volume_id=volume.id), Token("c")
        )
        text = (session.volumes.folder(copy.id) / "file").read_text()
        await session.volumes.delete(volume.id)
        await session.volumes.delete(copy.id)
        return text

    assert asyncio.run(story()) == "kept\n"


def test_a_server_boots_with_its_disks(one_world):
    """A named volume is there before the script starts; a disk of its own goes with it."""

    async def story():
        session = one_world.session
        volume = await session.volumes.create(VolumeSpec(name="data", size_gib=1), Token("v"))
        disks = (
            BlockDevice(volume_id=volume.id),
            BlockDevice(image="local", size_gib=1, delete_on_termination=True),
        )
        server = await one_world.boot("web", "#!/bin/sh\nls volumes\n", block_devices=disks)
        seen = await session.servers.console(server.id, 5)
        await session.servers.delete(server.id)
        return seen, [one.id for one in await session.volumes.list()] == [volume.id]

    assert asyncio.run(story()) == ("vdb\nvdc", True)


def test_a_server_reads_its_metadata_with_its_own_secret(one_world):
    """As from EC2 and from OpenStack; another secret reads nothing."""

    async def story():
        key = KeyPairSpec(name="me", public_key="ssh-ed25519 AAAAC3Nz me")
        await one_world.session.key_pairs.create(key, Token("k"))
        server = await one_world.boot(
            "web",
            '#!/bin/sh\necho "$MANTLE_METADATA_URL"\n',
            key_name="me",
            metadata={"role": "front"},
        )
        url = await one_world.session.servers.console(server.id, 1)
        return server, url.rpartition("/")[2]

    server, secret = asyncio.run(story())

    def read(path):
        return asyncio.run(one_world.cloud.metadata(secret, path))

    assert read("latest/meta-data/local-ipv4")[1].decode() == server.addresses[0].address
    assert read("latest/meta-data/instance-id")[1].decode() == server.id
    assert read("latest/meta-data/public-keys/0/openssh-key")[1] == b"ssh-ed25519 AAAAC3Nz me"
    assert b"placement/" in read("latest/meta-data/")[1].splitlines()
    assert read("latest/user-data")[1].startswith(b"#!/bin/sh")
    document = json.loads(read("openstack/latest/meta_data.json")[1])
    assert (document["uuid"], document["meta"]) == (server.id, {"role": "front"})
    assert read("latest/meta-data/no/such") is None
    assert asyncio.run(one_world.cloud.metadata("0" * 48, "latest/user-data")) is None


def test_a_bwrap_server_sees_no_other_server(tmp_path, world):
    """Nor Mantle's data, nor a person's home. In the plain tier it can: the facts say so."""
    if world.cloud.info.facts["isolation"] == "plain":
        assert "files" in world.cloud.info.facts.get("warning", "files")
        return

    async def story():
        await world.boot("other", "#!/bin/sh\necho secret > note\n")
        script = f"#!/bin/sh\nfind {world.folder} -name note; ls -A ~root; ps ax | wc -l\n"
        server = await world.boot("web", script)
        return await world.session.servers.console(server.id, 9)

    lines = asyncio.run(story()).splitlines()
    assert not [line for line in lines if "note" in line]
    assert int(lines[-1]) < 12


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flavor": "m1.tyni"}, "m1.tiny"),
        ({"image": "ubuntu"}, "local"),
        ({"key_name": "nobody"}, "nobody"),
        ({"security_groups": ("none",)}, "none"),
        ({"availability_zone": "mars"}, "availability_zone"),
        ({"scheduler_hints": {"group": "x"}}, "scheduler_hints"),
        ({"config_drive": True}, "config_drive"),
        ({"nics": (Nic(network_id="nowhere"),)}, "nowhere"),
        ({"nics": (Nic(), Nic(fixed_ip="10.9.9.9"))}, "outside"),
        ({"user_data": "echo"}, "#!/bin/sh"),
    ],
)
def test_a_refused_server_leaves_nothing(one_world, change, words):
    """No record, no port, no process."""

    async def story():
        spec = ServerSpec(**({"name": "web", "flavor": "m1.tiny"} | change))
        with pytest.raises(Refused, match=r"(?s).*") as refused:
            await one_world.session.servers.create(spec, Token("t"))
        left = [await one_world.session.servers.list(), await one_world.session.ports.list()]
        return f"{refused.value} {refused.value.remedy}", left

    message, left = asyncio.run(story())
    assert words in message
    assert left == [[], []]


def test_another_project_sees_nothing(one_world):
    """Not by id, not by token, not in a list."""

    async def story():
        server = await one_world.boot("web")
        other = one_world.cloud.session(ProjectId("project-2")).servers
        with pytest.raises(Missing):
            await other.get(server.id)
        with pytest.raises(Missing):
            await other.delete(server.id)
        with pytest.raises(Missing):
            await other.power(server.id, Power.OFF)
        with pytest.raises(Missing):
            await other.console(server.id, 1)
        return await other.find(server.token), await other.list()

    assert asyncio.run(story()) == (None, [])


def test_a_port_made_before_keeps_its_address(one_world):
    """A server on a port has the port's address, and gives the port back when it goes."""

    async def story():
        session = one_world.session
        port = await session.ports.create(PortSpec(name="p", network_id="private"), Token("p"))
        server = await one_world.boot("web", nics=(Nic(port_id=port.id),))
        with pytest.raises(Clash):
            await one_world.boot("two", nics=(Nic(port_id=port.id),))
        used = (await session.ports.get(port.id)).device_id
        await session.servers.delete(server.id)
        freed = (await session.ports.get(port.id)).device_id
        await session.ports.delete(port.id)
        return server.addresses[0].address == port.fixed_ips[0].ip_address, used == server.id, freed

    assert asyncio.run(story()) == (True, True, "")


def test_rebuilding_boots_another_script_on_the_same_address(one_world):
    """The server's id and addresses stay."""

    async def story():
        server = await one_world.boot("web", "#!/bin/sh\necho one\n")
        spec = ServerSpec(name="web", flavor="m1.tiny", user_data="#!/bin/sh\necho two\n")
        with pytest.raises(Refused):
            await one_world.session.servers.update(server.id, spec)
        await one_world.session.servers.rebuild(server.id, spec)
        again = await one_world.settled(server.id)
        console = await one_world.session.servers.console(server.id, 9)
        return again.addresses == server.addresses, console

    assert asyncio.run(story()) == (True, "one\ntwo")
