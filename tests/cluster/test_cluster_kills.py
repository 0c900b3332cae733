"""`make cluster` under load, while its processes are killed and frozen: nothing lost or twice.

The cloud is the simulated one, held by the keeper, which is not killed here: it stands for the
world. Its record of what it made is what everything is compared with.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml

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
SERVERS = 8
RECORD = os.environ.get("MANTLE_CLUSTER_RECORD")
"""A file for what was done, as JSON."""
QUIET_SECONDS = 600
"""For all that was asked to be there, once nothing is struck any more."""


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
        # Root's is not in the test's own folder.
        shutil.rmtree(one.postgres.folder, ignore_errors=True)


@dataclass
class Customer:
    """Asks through HAProxy; whoever is cut off asks again."""

    cluster: Cluster
    seen: Counter = field(default_factory=Counter)
    """Answers by status; `cut off` are those that never came."""
    token: str = ""
    project: str = ""

    def ask(self, method, path, **more):
        """The answer, or None when there is none; a token that is no more is got anew."""
        with contextlib.suppress(httpx.TransportError):
            if not self.token:
                self.log_in()
            answer = httpx.request(
                method,
                f"{self.cluster.url}{path.format(project=self.project)}",
                headers={"X-Auth-Token": self.token, "Accept": "application/json"},
                timeout=60,
                **more,
            )
            self.seen[str(answer.status_code)] += 1
            if answer.status_code == 401:
                self.token = ""
            return answer
        self.seen["cut off"] += 1
        return None

    def log_in(self):
        clouds = yaml.safe_load((self.cluster.folder / "clouds.yaml").read_text())
        auth = clouds["clouds"]["mantle"]["auth"]
        who = {"name": "demo", "domain": {"id": "default"}, "password": auth["password"]}
        identity = {"methods": ["password"], "password": {"user": who}}
        scope = {"project": {"name": "demo", "domain": {"id": "default"}}}
        body = {"auth": {"identity": identity, "scope": scope}}
        answer = httpx.post(f"{self.cluster.url}/identity/v3/auth/tokens", json=body, timeout=60)
        if answer.status_code == 201:
            self.token = answer.headers["X-Subject-Token"]
            self.project = answer.json()["token"]["project"]["id"]

    def look(self, path, **more):
        """What only asks is asked until it is answered."""
        end = time.monotonic() + 300
        while time.monotonic() < end:
            answer = self.ask("GET", path, **more)
            if answer is not None and answer.status_code == 200:
                return answer.json()
            until_up(self.cluster)
        raise AssertionError(f"{path}: {answer and answer.text}")

    def states(self):
        stacks = self.look("/heat/v1/{project}/stacks")["stacks"]
        return {each["stack_name"]: each["stack_status"] for each in stacks}

    def create(self, name):
        """Ask until it is taken: a request may be cut off with the process that had it.

        One that was cut off may have been taken all the same; then the stack is there.
        """
        body = {"stack_name": name, "template": TEMPLATE, "timeout_mins": 60}
        end = time.monotonic() + 180
        while time.monotonic() < end:
            answer = self.ask("POST", "/heat/v1/{project}/stacks", json=body)
            if answer is not None and answer.status_code in {201, 409}:
                return
            until_up(self.cluster)
            time.sleep(0.2)
        raise AssertionError(f"create {name} was not taken: {answer and answer.text}")

    def delete(self, name):
        """The same; one that is gone, or going, has been taken."""
        end = time.monotonic() + 180
        while time.monotonic() < end:
            found = self.ask("GET", f"/heat/v1/{{project}}/stacks/{name}")
            if found is not None and found.status_code == 404:
                return
            if found is not None and found.status_code in {200, 302}:
                stack_id = self.id_of(found)
                answer = self.ask("DELETE", f"/heat/v1/{{project}}/stacks/{name}/{stack_id}")
                if answer is not None and answer.status_code in {204, 404}:
                    return
            until_up(self.cluster)
            time.sleep(0.2)
        raise AssertionError(f"delete {name} was not taken")

    @staticmethod
    def id_of(found):
        if found.status_code == 302:
            return found.headers["location"].rsplit("/", 1)[-1]
        return found.json()["stack"]["id"]


def test_a_cluster_under_load_survives_what_befalls_its_processes(cluster):
    """Engines and APIs die or freeze at random moments, the database goes away: nothing is lost."""
    began = time.monotonic()
    dice = random.Random(4)
    customer = Customer(cluster)
    victims = [name for name in cluster.members if name.startswith(("engine", "api"))]
    blows = ["kill"] * KILLS + ["freeze"] * FREEZES + ["outage"] * OUTAGES
    dice.shuffle(blows)
    names, struck, ended = [], Counter(), Counter()
    for number, blow in enumerate(blows):
        names.append(f"s{number}")
        customer.create(names[-1])
        if len(names) > AT_ONCE:
            customer.delete(names.pop(0))
        time.sleep(dice.uniform(0.0, 1.0))
        victim = dice.choice(victims)
        strike(cluster, blow, victim, dice)
        struck[blow if blow == "outage" else f"{blow} {victim}"] += 1
        ended.update(revived(cluster))
        record(began, struck, ended, customer, "under way")
    expected = dict.fromkeys(names, "CREATE_COMPLETE")
    end = time.monotonic() + QUIET_SECONDS
    while time.monotonic() < end and customer.states() != expected:
        time.sleep(1.0)
        ended.update(revived(cluster))
    assert customer.states() == expected
    assert customer.look("/v2/clouds/simulated/unmanaged")["objects"] == []
    for name in names:
        path = f"/heat/v1/{{project}}/stacks/{name}/resources"
        found = customer.look(path, params={"nested_depth": 2}, follow_redirects=True)["resources"]
        servers = [each for each in found if each["resource_type"] == "OS::Nova::Server"]
        assert len({each["physical_resource_id"] for each in servers}) == len(servers) == SERVERS
    record(began, struck, ended, customer, "nothing lost, nothing doubled")


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


def revived(cluster):
    """What has ended by itself is started again as well; the answer is which."""
    ended = [name for name, member in cluster.members.items() if not member.runs]
    for name in ended:
        cluster.restart(name)
    return ended


def record(began, struck, ended, customer, result):
    """Keep what has been done so far, where somebody wants to know."""
    if RECORD:
        told = {
            "result": result,
            "seconds": round(time.monotonic() - began),
            "blows": sum(struck.values()),
            "struck": dict(sorted(struck.items())),
            "ended by themselves": dict(ended),
            "answers": dict(sorted(customer.seen.items())),
        }
        Path(RECORD).write_text(json.dumps(told, indent=1) + "\n")


def until_up(cluster) -> None:
    """Until one API answers through HAProxy again."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(f"{cluster.url}/readyz", timeout=30).status_code == 200:
                return
        revived(cluster)
        time.sleep(0.2)
    raise AssertionError("no API answers")
