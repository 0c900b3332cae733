"""A thousand servers on the simulated cloud, switched off by one command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mantle.cli.control_plane import ensure_plane, stop_plane

CROWD = Path(__file__).resolve().parents[2] / "examples" / "05-a-thousand-servers" / "crowd.yaml"


@pytest.fixture
def mantle(tmp_path, monkeypatch):
    """One command against a control plane whose stacks go to the simulated cloud."""
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MANTLE_CLOUD", "simulated")
    monkeypatch.setenv("MANTLE_LOOPBACK_BLOCK", "127.14.0.0/16")
    plane, _ = ensure_plane(tmp_path)
    monkeypatch.setenv("MANTLE_DATA_DIR", str(tmp_path))

    def call(*arguments):
        command = [sys.executable, "-m", "mantle", *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return json.loads(done.stdout)

    yield call
    stop_plane(plane, tmp_path)


def test_a_thousand_servers_are_switched_off_by_one_command(mantle):
    """Planned, applied and told by `mantle server power off --stack crowd`; each once."""
    mantle("stack", "create", "crowd", "-t", str(CROWD))
    told = mantle("server", "power", "off", "--stack", "crowd", "--parallel", "100", "--yes")
    listed = mantle("server", "list", "--stack", "crowd")["servers"]
    assert (told["sweep"]["status"], told["sweep"]["done"]) == ("complete", 1000)
    assert [each["status"] for each in listed] == ["STOPPED"] * 1000
