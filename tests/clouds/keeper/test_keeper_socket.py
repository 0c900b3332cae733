"""Clouds over a socket: what becomes of calls when the other side is gone, strange or hostile."""

import asyncio
import contextlib
import stat

import msgspec
import pytest

from mantle.clouds import ports as p
from mantle.clouds.keeper import KeeperServer, connect
from mantle.clouds.keeper.wire import LENGTH, SIGNATURES, Call, framed
from mantle.clouds.plain import KINDS, SETTINGS
from mantle.clouds.simulated import Faults, SimulatedCloud, World
from mantle.lib.clock import SystemClock
from mantle.model.ids import ProjectId, Token

MINE = ProjectId("p1")


def told(tmp_path, story, patience_seconds=0.0, **faults):
    async def run():
        clock = SystemClock()
        cloud = SimulatedCloud(clock=clock, world=World(clock), faults=Faults(**faults))
        keeper = KeeperServer(tmp_path / "keeper.sock", {"simulated": cloud})
        await keeper.start()
        clouds = await connect(keeper.path, patience_seconds)
        try:
            return await story(keeper, clouds["simulated"])
        finally:
            await clouds["simulated"].stop()
            await keeper.stop(0)

    return asyncio.run(run())


def test_every_verb_of_the_port_has_a_signature():
    """A collection that is added to the port is served without a word here."""
    collections = {name for name, member in vars(p.Session).items() if isinstance(member, property)}
    served = {name for name, _ in SIGNATURES if name}
    assert {name for name in served if "/" not in name} == collections - {"project_id"}
    assert {f"plain/{each}" for each in KINDS} | {f"settings/{each}" for each in SETTINGS} == {
        name for name in served if "/" in name
    }
    assert {method for name, method in SIGNATURES if name == "servers"} >= {
        *("create", "find", "get", "list", "update", "delete", "power", "rebuild", "console")
    }


def test_the_socket_is_its_owners_alone(tmp_path):
    """Nobody else on the machine may use the clouds."""

    async def story(keeper, cloud):
        return stat.S_IMODE(keeper.path.stat().st_mode)

    assert told(tmp_path, story) == 0o600


def test_a_call_without_an_keeper_may_be_tried_again(tmp_path):
    """The engine retries what is Unavailable, with the same token."""

    async def story(keeper, cloud):
        await keeper.stop()
        with pytest.raises(p.Unavailable) as gone:
            await cloud.session(MINE).networks.list()
        return gone.value.retryable, gone.value.remedy

    retryable, remedy = told(tmp_path, story)
    assert (retryable, "mantle keeper" in remedy) == (True, True)


def test_an_keeper_that_comes_back_is_found_again(tmp_path):
    """What was made before is there, and the same token makes nothing twice."""

    async def story(keeper, cloud):
        networks = cloud.session(MINE).networks
        first = await networks.create(p.NetworkSpec(name="n"), Token("t"))
        await keeper.stop()
        await keeper.start()
        with contextlib.suppress(p.Unavailable):  # the old connection's end may be news still
            await networks.list()
        again = await networks.create(p.NetworkSpec(name="n"), Token("t"))
        return first.id == again.id, len(await networks.list())

    # The simulated cloud gives every project a public network besides.
    assert told(tmp_path, story) == (True, 2)


def test_a_call_under_way_when_the_keeper_dies_fails_at_once(tmp_path):
    """It does not wait for its time to run out."""

    async def story(keeper, cloud):
        slow = asyncio.create_task(cloud.session(MINE).networks.list())
        await asyncio.sleep(0.2)
        await keeper.stop(0)
        with pytest.raises(p.Unavailable):
            await asyncio.wait_for(slow, 10)
        return True

    assert told(tmp_path, story, latency_seconds=60.0)


def test_a_keeper_that_leaves_answers_what_it_was_asked(tmp_path):
    """A call under way is not cut off by an upgrade."""

    async def story(keeper, cloud):
        slow = asyncio.create_task(
            cloud.session(MINE).networks.create(p.NetworkSpec(name="n"), Token("t"))
        )
        await asyncio.sleep(0.1)
        await keeper.stop()
        return (await slow).name

    assert told(tmp_path, story, latency_seconds=0.5) == "n"


def test_while_a_keeper_is_replaced_calls_wait_for_the_next_one(tmp_path):
    """Whoever asks meanwhile does not notice; a question that was cut off is asked again."""

    async def story(keeper, cloud):
        networks = cloud.session(MINE).networks
        cut = asyncio.create_task(networks.list())
        await asyncio.sleep(0.1)
        await keeper.stop(0)
        meanwhile = asyncio.create_task(networks.list())
        await asyncio.sleep(0.3)
        await keeper.start()
        return len(await cut), len(await meanwhile)

    assert told(tmp_path, story, patience_seconds=30.0, latency_seconds=0.5) == (1, 1)


@pytest.mark.parametrize(
    "message",
    [
        LENGTH.pack(4_000_000_000),
        framed(b"\xc1 not msgpack"),
        framed(b""),
        framed(msgspec.msgpack.encode(["x"])),
    ],
    ids=["huge", "broken", "empty", "another shape"],
)
def test_what_is_no_call_ends_the_connection_and_nothing_else(tmp_path, message):
    """Other connections go on."""

    async def story(keeper, cloud):
        reader, writer = await asyncio.open_unix_connection(keeper.path)
        writer.write(message)
        closed = await asyncio.wait_for(reader.read(), 10) == b""
        writer.close()
        return closed, len(await cloud.session(MINE).networks.list())

    assert told(tmp_path, story) == (True, 1)


@pytest.mark.parametrize(
    ("collection", "method", "arguments"),
    [
        ("servers", "__init__", ()),
        ("__class__", "mro", ()),
        ("servers", "create", ("no spec", "t")),
        ("servers", "get", ()),
        ("", "start", ()),
    ],
)
def test_a_call_that_is_not_the_ports_is_refused(tmp_path, collection, method, arguments):
    """Only the port's verbs, with the port's arguments; the answer tells nothing of the inside."""

    async def story(keeper, cloud):
        reader, writer = await asyncio.open_unix_connection(keeper.path)
        said = msgspec.Raw(msgspec.msgpack.encode(arguments))
        call = Call(7, "simulated", MINE, collection, method, said)
        writer.write(framed(msgspec.msgpack.encode(call)))
        (length,) = LENGTH.unpack(await reader.readexactly(4))
        reply = msgspec.msgpack.decode(await reader.readexactly(length))
        writer.close()
        return reply[0], reply[2], "Traceback" in reply[3]

    assert told(tmp_path, story) == (7, "Refused", False)
