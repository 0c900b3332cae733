"""`make cluster` under load, while its processes are killed and frozen: nothing lost or twice.

The cloud is the simulated one, held by the keeper, which is not killed here: it stands for the
world. Its record of what it made is what everything is compared with.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from cluster import Cluster
from mantle.lib.postgres import NoPostgres, find_binaries

TEMPLATE = """
heat_template_version: 2021-04-16
parameters: {servers: {type: number, default: 8}}
resources:
  net: {type: OS::Neutron::Net}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.1.0.0/16}}
  wait: {type: OS::Heat::TestResource, properties: {wait_secs: 2}}
  web:
    type: OS::Heat::ResourceGroup
    depends_on: [subnet, wait]
    properties:
      count: {get_param: servers}
      resource_def:
        type: OS::Nova::Server
        properties: {flavor: m1.small, image: cirros, networks: [{network: {get_resource: net}}]}
"""
STACKS = int(os.environ.get("MANTLE_CLUSTER_STACKS", "8"))
KILLS = int(os.environ.get("MANTLE_CLUSTER_KILLS", "6"))


def _there() -> bool:
    try:
        find_binaries()
    except NoPostgres:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _there(), reason="there is no PostgreSQL on this machine"),
    pytest.mark.proves("beyond: several engines"),
]


@pytest.fixture
def cluster(tmp_path):
    one = Cluster(
        tmp_path / "cluster",
        cloud="simulated",
        environment={"MANTLE_LIMIT_LEASE_SECONDS": "6", "MANTLE_LOOPBACK_BLOCK": "127.21.0.0/16"},
    )
    try:
        one.start()
        yield one
    finally:
        one.stop()


def mantle(cluster, *arguments):
    environment = cluster.environment | {
        "OS_CLIENT_CONFIG_FILE": str(cluster.folder / "clouds.yaml")
    }
    command = [sys.executable, "-m", "mantle", *arguments, "--json"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return json.loads(done.stdout)


def states(cluster):
    return {each["name"]: each["status"] for each in mantle(cluster, "stack", "list")["stacks"]}


def test_a_cluster_under_load_survives_kills_of_any_of_its_processes(cluster, tmp_path):
    """Engines and APIs die or freeze at random moments; every accepted stack is whole."""
    dice = random.Random(4)
    template = tmp_path / "t.yaml"
    template.write_text(TEMPLATE)
    victims = [name for name in cluster.members if name.startswith(("engine", "api"))]
    for number in range(STACKS):
        mantle(cluster, "stack", "create", f"s{number}", "-t", str(template), "--yes", "--no-wait")
        if number < KILLS:
            name = dice.choice(victims)
            member = cluster.members[name]
            if dice.random() < 0.3:
                member.process.send_signal(signal.SIGSTOP)
                time.sleep(dice.uniform(1.0, 9.0))
                member.process.send_signal(signal.SIGCONT)
            else:
                member.process.kill()
                member.process.wait()
                time.sleep(dice.uniform(0.0, 1.0))
                cluster.restart(name)
                until_up(cluster)
        time.sleep(dice.uniform(0.0, 0.5))
    end = time.monotonic() + 240
    while time.monotonic() < end and set(states(cluster).values()) != {"CREATE_COMPLETE"}:
        time.sleep(1.0)
    assert states(cluster) == {f"s{each}": "CREATE_COMPLETE" for each in range(STACKS)}
    assert unmanaged(cluster) == []
    for number in range(STACKS):
        rows = mantle(cluster, "stack", "resources", f"s{number}", "--depth", "2")["resources"]
        servers = [row["physical_id"] for row in rows if row["type"] == "OS::Nova::Server"]
        assert len(set(servers)) == 8


def until_up(cluster) -> None:
    """Until one API answers through HAProxy again."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{cluster.url}/readyz", timeout=5).status_code == 200:
                return
        time.sleep(0.2)
    raise AssertionError("no API answers")


def unmanaged(cluster):
    """Objects of the project on the cloud that no stack owns."""
    return mantle(cluster, "cloud", "unmanaged", "simulated")["objects"]
