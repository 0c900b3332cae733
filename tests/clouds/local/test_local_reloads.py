"""A reload of HAProxy that comes in the moment after its start is heard all the same."""

import shutil
import socket
from dataclasses import replace

import pytest

from mantle.clouds.local.haproxy import HAProxy, signature
from mantle.clouds.local.wish import Frontend, Wish
from mantle.clouds.ports import ListenerSpec

PROGRAM = shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")


class Hasty(HAProxy):
    """Goes on the moment a program answers; the real one looks at its configuration first."""

    def _check(self, wish):
        pass

    def _exchange_members(self, wish):
        pass

    def _remove_unwanted(self, wish, patience_seconds):
        pass


def listener(number):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spec = ListenerSpec(name="l", load_balancer_id="b", protocol="HTTP", protocol_port=port)
    return Frontend(id=f"f{number}", spec=spec, backend_id=None)


@pytest.mark.skipif(PROGRAM is None, reason="HAProxy is not installed")
def test_a_reload_right_after_the_start_is_taken_up(tmp_path):
    """Its worker answers before its master, which executes itself once more, hears signals."""
    taken_up = []
    for number in range(5):
        first = Wish(
            id=f"b{number}",
            folder=tmp_path / str(number),
            vip_address="127.0.0.1",
            frontends=(listener(1),),
            backends=(),
        )
        second = replace(first, frontends=(*first.frontends, listener(2)))
        program = Hasty(PROGRAM)
        try:
            program.apply(first)
            program.apply(second)
            taken_up.append(program._described(second) == signature(second))
        finally:
            program.end(first)
    assert taken_up == [True] * 5
