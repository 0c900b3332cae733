"""A process told to end is missed by nobody: it says so first, and answers a while longer."""

import asyncio
import signal
import socket

import pytest

from mantle.api.serving import Server

pytestmark = pytest.mark.proves("beyond: upgrades under load")


async def answers(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


async def told(signs, drain_seconds):
    """What the server says, and whether it still answers, after each signal; then it ends."""
    server, listener = Server(drain_seconds), socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    serving = asyncio.create_task(server.serve_app(answers, listener))
    seen = []
    while not server.started:
        await asyncio.sleep(0.01)
    for sign in signs:
        server.handle_exit(sign, None)
        await asyncio.sleep(0.3)
        seen.append((server.leaves, await status(port)))
    server.should_exit = True
    await serving
    return seen


async def status(port):
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return None
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


@pytest.fixture(autouse=True)
def no_signals(monkeypatch):
    """The server raises the signals again that it got, as is right; here nobody sent them."""
    monkeypatch.setattr(signal, "raise_signal", lambda sign: None)


def test_at_sigterm_it_says_that_it_leaves_and_goes_on_answering():
    assert asyncio.run(told([signal.SIGTERM], 30.0)) == [(True, 204)]


def test_a_second_signal_ends_it_at_once():
    """Whoever insists does not wait."""
    signs = [signal.SIGTERM, signal.SIGTERM]
    assert asyncio.run(told(signs, 30.0)) == [(True, 204), (True, None)]


@pytest.mark.parametrize(("sign", "drain"), [(signal.SIGINT, 30.0), (signal.SIGTERM, 0.0)])
def test_without_anything_to_wait_for_it_ends_at_once(sign, drain):
    """Ctrl-C is a person's; one process alone has no balancer before it."""
    assert asyncio.run(told([sign], drain)) == [(True, None)]


def test_a_connection_waits_longer_for_its_next_request_than_clients_pause():
    """Heat's client looks once in five seconds while it waits for a stack, on one connection."""

    async def looks_twice():
        server, listener = Server(0.0), socket.create_server(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve_app(answers, listener))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        said = []
        for pause in (0.0, 5.2):
            await asyncio.sleep(pause)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            said.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        writer.close()
        server.should_exit = True
        await serving
        return said

    assert asyncio.run(looks_twice()) == [b"204", b"204"]
