"""Requests to addresses that users name: what is allowed, and how much of an answer is taken."""

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from listener import listening

from mantle.lib.outbound import (
    Bounds,
    Destinations,
    NotAllowed,
    Outbound,
    OutboundError,
    destinations_of,
)

LOOPBACK = destinations_of("127.0.0.0/8")


@pytest.mark.parametrize(
    ("setting", "url", "allowed"),
    [
        ("public", "https://93.184.216.34/t.yaml", True),
        ("public", "http://[2606:2800:220:1:248:1893:25c8:1946]/", True),
        ("public", "https://example.org/t.yaml", True),
        ("none", "https://93.184.216.34/", False),
        ("10.0.0.0/8", "https://93.184.216.34/", False),
        ("public", "http://127.0.0.1/", False),
        ("public", "http://10.1.2.3/", False),
        ("public,10.1.0.0/16", "http://10.1.2.3/", True),
        ("public,10.1.0.0/16", "http://10.2.2.3/", False),
        ("127.0.0.1", "http://127.0.0.1:8080/", True),
        ("public", "http://169.254.169.254/latest/meta-data/", False),
        ("public", "http://0.0.0.0/", False),
        ("public", "http://[::1]/", False),
        ("public", "http://[::ffff:127.0.0.1]/", False),
        ("127.0.0.0/8", "http://[::ffff:127.0.0.1]/", True),
        ("public", "http://[64:ff9b::7f00:1]/", False),
        ("public", "http://[2002:7f00:1::]/", False),
        ("public", "http://[fe80::1]/", False),
        ("public", "http://224.0.0.1/", False),
        ("public", "ftp://example.org/t.yaml", False),
        ("public", "file:///etc/passwd", False),
        ("public", "gopher://example.org/", False),
        ("public", "//example.org/t.yaml", False),
        ("public", "https://user:secret@example.org/", False),
        ("public", "https:///t.yaml", False),
        ("public", "no url at all", False),
        ("public", "http://[", False),
    ],
)
def test_which_urls_may_be_asked(setting, url, allowed):
    """By scheme and address; what carries another address inside counts as that or not at all."""
    assert (destinations_of(setting).why_not(url) is None) == allowed


@pytest.mark.parametrize("setting", ["none,public", "10.0.0.0/99", "300.1.1.1/8"])
def test_a_setting_that_means_nothing_is_refused(setting):
    """At the start, not at the first request."""
    with pytest.raises(ValueError, match=r".+"):
        destinations_of(setting)


def ask(url, destinations=LOOPBACK, **bounds):
    async def asked():
        async with Outbound(destinations) as outbound:
            return await outbound.request("GET", url, bounds=Bounds(**bounds))

    return asyncio.run(asked())


def test_an_answer_is_given_whole_with_the_hosts_own_name_sent():
    """The connection goes to the judged address, the request still names the host."""
    with listening() as listener:
        listener.page("/a", "text")
        reply = ask(f"http://localhost:{listener.port}/a", destinations_of("localhost"))
        assert (reply.status, reply.text) == (200, "text")
        assert listener.seen[0][2]["Host"] == f"localhost:{listener.port}"


def test_a_name_is_judged_by_all_its_addresses():
    """`localhost` is a name like any other: it stands for a private address."""
    with listening() as listener, pytest.raises(NotAllowed, match="not a public one"):
        ask(f"http://localhost:{listener.port}/a", Destinations())


def test_a_redirect_is_judged_like_a_first_request():
    """From an allowed place to one that is not: nothing is sent there."""
    with listening() as listener:
        url = listener.page("/a", "", 302, Location="http://10.0.0.1/secret")
        with pytest.raises(NotAllowed, match=r"10\.0\.0\.1"):
            ask(url, redirects=3)


def test_redirects_end():
    """A circle is not walked for ever; without permission none is followed."""
    with listening() as listener:
        url = listener.page("/a", "", 301, Location="/a")
        with pytest.raises(OutboundError, match="redirects more than 2 times"):
            ask(url, redirects=2)
        assert ask(url).status == 301


def test_a_large_answer_is_not_taken():
    """No more than allowed is read, whatever the headers say."""
    with listening() as listener:
        url = listener.page("/a", b"x" * 5000)
        with pytest.raises(OutboundError, match="more than the 4,096 bytes"):
            ask(url, most_bytes=4096)
        packed = listener.page("/b", b"x", Content_Encoding="gzip")
        with pytest.raises(OutboundError, match="compressed"):
            ask(packed)


def test_a_silent_or_absent_server_is_told():
    """Both are errors of our own with the URL in them."""
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(OutboundError, match=r"did not answer within 0 s"):
            ask(url, seconds=0.2)
    with pytest.raises(OutboundError, match="cannot be reached"):
        ask(url)
