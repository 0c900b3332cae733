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
KILLS = int(os.environ.get("MANTLE_CLUSTER_KILLS", "6"))
FREEZES = int(os.environ.get("MANTLE_CLUSTER_FREEZES", "2"))
OUTAGES = int(os.environ.get("MANTLE_CLUSTER_OUTAGES", "1"))
"""Of PostgreSQL, which is stopped at once and started again."""
AT_ONCE = 8
"""Stacks there are at one time; the oldest goes when another one comes."""


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


def ran(cluster, *arguments):
    environment = cluster.environment | {
        "OS_CLIENT_CONFIG_FILE": str(cluster.folder / "clouds.yaml")
    }
    command = [sys.executable, "-m", "mantle", *arguments, "--json"]
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def mantle(cluster, *arguments):
    """The answer of a command that only asks: one that was cut off is asked again."""
    for _ in range(10):
        done = ran(cluster, *arguments)
        if done.returncode == 0:
            return json.loads(done.stdout)
        until_up(cluster)
    raise AssertionError(f"{arguments}: {done.stdout}{done.stderr}")


def states(cluster):
    return {each["name"]: each["status"] for each in mantle(cluster, "stack", "list")["stacks"]}


def test_a_cluster_under_load_survives_what_befalls_its_processes(cluster, tmp_path):
    """Engines and APIs die or freeze at random moments, the database goes away: nothing is lost."""
    dice = random.Random(4)
    template = tmp_path / "t.yaml"
    template.write_text(TEMPLATE)
    victims = [name for name in cluster.members if name.startswith(("engine", "api"))]
    blows = ["kill"] * KILLS + ["freeze"] * FREEZES + ["outage"] * OUTAGES
    dice.shuffle(blows)
    names = []
    for number, blow in enumerate(blows):
        names.append(f"s{number}")
        accepted(cluster, names[-1], "create", "-t", str(template))
        if len(names) > AT_ONCE:
            accepted(cluster, names.pop(0), "delete")
        time.sleep(dice.uniform(0.0, 1.0))
        strike(cluster, blow, dice.choice(victims), dice)
    expected = dict.fromkeys(names, "CREATE_COMPLETE")
    end = time.monotonic() + 300
    while time.monotonic() < end and states(cluster) != expected:
        time.sleep(1.0)
    assert states(cluster) == expected
    assert unmanaged(cluster) == []
    for name in names:
        rows = mantle(cluster, "stack", "resources", name, "--depth", "2")["resources"]
        servers = [row["physical_id"] for row in rows if row["type"] == "OS::Nova::Server"]
        assert len(set(servers)) == 8


def strike(cluster, blow, name, dice):
    """One blow; what was killed is started again, as a supervisor would."""
    member = cluster.members[name]
    if blow == "freeze":
        member.process.send_signal(signal.SIGSTOP)
        time.sleep(dice.uniform(1.0, 9.0))
        member.process.send_signal(signal.SIGCONT)
    elif blow == "outage":
        cluster.postgres.stop()
        time.sleep(dice.uniform(0.0, 5.0))
        cluster.postgres.start()
    else:
        member.process.kill()
        member.process.wait()
        time.sleep(dice.uniform(0.0, 1.0))
        cluster.restart(name)
    until_up(cluster)


def accepted(cluster, name, verb, *arguments):
    """Ask until it is taken: a request may be cut off with the process that had it.

    One that was cut off may have been taken all the same; then the stack is there, or is going.
    """
    end = time.monotonic() + 120
    while time.monotonic() < end:
        done = ran(cluster, "stack", verb, name, *arguments, "--yes", "--no-wait")
        if done.returncode == 0:
            return
        until_up(cluster)
        seen = states(cluster).get(name, "")
        if seen if verb == "create" else not seen or seen.startswith("DELETE"):
            return
        time.sleep(0.5)
    raise AssertionError(f"{verb} {name} was not taken: {done.stdout}{done.stderr}")


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
