"""The rehearsal: the last release works under load while this one takes its place.

`make test-long` puts the last release (a wheel of its commit) into an environment of its own. A
cluster of it runs on a real PostgreSQL with servers of the local cloud; every process is replaced,
one by one, while clients go on. No request may fail, no operation either.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from cluster import Cluster
from mantle.lib.postgres import NoPostgres, find_binaries

PREVIOUS = Path(__file__).parents[2] / ".venv-previous" / "bin" / "python"
CLIENTS = 3
TEMPLATE = """
heat_template_version: 2021-04-16
parameters:
  servers: {type: number, default: 1}
  role: {type: string, default: old}
resources:
  net: {type: OS::Neutron::Net}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.1.0.0/24}}
  wait: {type: OS::Heat::TestResource, properties: {wait_secs: 1}}
  password: {type: OS::Heat::RandomString}
  web:
    type: OS::Heat::ResourceGroup
    depends_on: [subnet, wait]
    properties:
      count: {get_param: servers}
      resource_def:
        type: OS::Nova::Server
        properties:
          flavor: m1.small
          image: local
          networks: [{network: {get_resource: net}}]
          metadata: {role: {get_param: role}}
outputs:
  password: {value: {get_attr: [password, value]}}
"""


def _there() -> bool:
    try:
        find_binaries()
    except NoPostgres:
        return False
    return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not _there(), reason="there is no PostgreSQL on this machine"),
    pytest.mark.skipif(
        not PREVIOUS.exists(), reason="`make test-long` installs the last release from its commit"
    ),
    pytest.mark.proves("beyond: upgrades under load"),
]


class Client(threading.Thread):
    """Makes, changes, reads and deletes stacks until told to stop; keeps what went wrong."""

    def __init__(self, cluster: Cluster, number: int) -> None:
        super().__init__(name=f"client {number}")
        self.url, self.number = cluster.url, number
        entry = yaml.safe_load((cluster.folder / "clouds.yaml").read_text())
        self.auth = entry["clouds"]["mantle"]["auth"]
        self.http = httpx.Client(timeout=60)
        self.over = threading.Event()
        self.requests = self.rounds = 0
        self.wrong: list[str] = []

    def ask(self, method: str, path: str, expected: int, **more: object) -> httpx.Response:
        """A request; what is not answered as it should be is written down."""
        self.requests += 1
        try:
            answer = self.http.request(method, self.url + path, **more)
        except httpx.HTTPError as error:
            self.wrong.append(f"{method} {path}: {error!r}")
            raise
        if answer.status_code != expected:
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
            answer.raise_for_status()
        return answer

    def log_in(self) -> str:
        """The path of the project."""
        user = {"name": self.auth["username"], "domain": {"name": "Default"}}
        user["password"] = self.auth["password"]
        scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}
        identity = {"methods": ["password"], "password": {"user": user}}
        said = {"auth": {"identity": identity, "scope": scope}}
        answer = self.ask("POST", "/identity/v3/auth/tokens", 201, json=said)
        self.http.headers["X-Auth-Token"] = answer.headers["x-subject-token"]
        return f"/heat/v1/{answer.json()['token']['project']['id']}/stacks"

    def settled(self, path: str, state: str) -> dict:
        """The stack once its operation has ended; it must have ended well."""
        while True:
            stack = self.ask("GET", path, 200).json()["stack"]
            if not stack["stack_status"].endswith("IN_PROGRESS"):
                if stack["stack_status"] != state:
                    self.wrong.append(f"{stack['stack_status']}: {stack['stack_status_reason']}")
                return stack
            time.sleep(0.3)

    def run(self) -> None:
        try:
            stacks = self.log_in()
            while not self.over.is_set() and not self.wrong:
                self.round(stacks, f"s{self.number}-{self.rounds}")
                self.rounds += 1
        except httpx.HTTPError:
            return
        finally:
            self.http.close()

    def round(self, stacks: str, name: str) -> None:
        """One stack's life."""
        body = {"stack_name": name, "template": TEMPLATE}
        made = self.ask("POST", stacks, 201, json=body).json()["stack"]
        path = f"{stacks}/{name}/{made['id']}"
        before = self.settled(path, "CREATE_COMPLETE")["outputs"]
        change = {"template": TEMPLATE, "parameters": {"role": "new", "servers": 2}}
        self.ask("PUT", path, 202, json=change)
        self.ask("GET", stacks, 200)
        after = self.settled(path, "UPDATE_COMPLETE")["outputs"]
        if after[0]["output_value"] != before[0]["output_value"]:
            self.wrong.append(f"{name}: the password is another one")
        self.ask("DELETE", path, 204)
        self.settled(path, "DELETE_COMPLETE")


def test_every_process_is_replaced_under_load_and_no_client_notices(tmp_path):
    """Migrations first, then the keeper, the engines, the APIs; a round of the load between."""
    cluster = Cluster(
        tmp_path / "cluster",
        cloud="local",
        environment={"MANTLE_LOOPBACK_BLOCK": "127.23.0.0/16"},
        python=str(PREVIOUS),
    )
    clients: list[Client] = []
    try:
        cluster.start()
        clients += [Client(cluster, each) for each in range(CLIENTS)]
        for each in clients:
            each.start()
        until_each_has_done(clients, 1)
        cluster.python = sys.executable
        cluster.migrate()
        for name in ("keeper", "engine-1", "engine-2", "engine-3", "api-1", "api-2"):
            cluster.replace(name)
            if name == "keeper":
                cluster.until((cluster.folder / "keeper.sock").exists, name)
            if name.startswith("api"):
                cluster.until_ready(name)
            until_each_has_done(clients, min(each.rounds for each in clients) + 1)
        for each in clients:
            each.over.set()
        for each in clients:
            each.join(120)
        wrong = [problem for each in clients for problem in each.wrong]
        assert wrong == []
        assert left_over(cluster) == []
    finally:
        for each in clients:
            each.over.set()
        for each in clients:
            each.join(60)
        cluster.stop()


def until_each_has_done(clients: list[Client], rounds: int) -> None:
    """Until every client has come so far, or one has met something wrong."""
    end = time.monotonic() + 180
    while time.monotonic() < end:
        wrong = [problem for each in clients for problem in each.wrong]
        assert not wrong, wrong
        if all(each.rounds >= rounds for each in clients):
            return
        time.sleep(0.2)
    raise AssertionError(f"the clients stand still at {[each.rounds for each in clients]}")


def left_over(cluster: Cluster) -> list[object]:
    """Objects of the project on the cloud that no stack owns, asked with this release's command."""
    clouds = {"OS_CLIENT_CONFIG_FILE": str(cluster.folder / "clouds.yaml")}
    done = subprocess.run(
        [sys.executable, "-m", "mantle", "cloud", "unmanaged", "local", "--json"],
        env=cluster.environment | clouds,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["objects"]
