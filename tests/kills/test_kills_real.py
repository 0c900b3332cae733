"""`mantle up` is killed with SIGKILL at random moments while it builds on the local cloud.

It is started again each time over the same data folder. In the end the stack is as declared, every
server runs exactly once, and after the delete nothing is left: no process, no object.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

TEMPLATE = """
heat_template_version: 2018-08-31
resources:
  net: {type: OS::Neutron::Net}
  subnet: {type: OS::Neutron::Subnet, properties: {network: {get_resource: net}, cidr: 10.9.0.0/24}}
SERVERS
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  lb: {type: OS::Octavia::LoadBalancer, properties: {vip_subnet: {get_resource: subnet}}}
  listener:
    type: OS::Octavia::Listener
    properties: {loadbalancer: {get_resource: lb}, protocol: HTTP, protocol_port: 8080}
  pool:
    type: OS::Octavia::Pool
    properties: {listener: {get_resource: listener}, protocol: HTTP, lb_algorithm: ROUND_ROBIN}
""".replace(
    "SERVERS",
    "".join(
        f"""
  port{i}:
    type: OS::Neutron::Port
    depends_on: subnet
    properties: {{network: {{get_resource: net}}}}
  server{i}:
    type: OS::Nova::Server
    properties:
      flavor: m1.tiny
      image: local
      networks: [{{port: {{get_resource: port{i}}}}}]
      user_data_format: RAW
      user_data: |
        #!/bin/sh
        exec sleep 86399
"""
        for i in range(4)
    ),
)


class Plane:
    """A real control plane process that may be killed."""

    def __init__(self, folder: Path, block: str) -> None:
        self.folder, self.block = folder, block
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None
        self.clients: list[httpx.Client] = []

    def start(self) -> None:
        command = [sys.executable, "-m", "mantle", "up", "--data-dir", str(self.folder)]
        command += ["--listen", f"127.0.0.1:{self.port}", "--loopback-block", self.block]
        with (self.folder.parent / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self) -> None:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder.parent / "log").read_text()[-4000:]
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError("never ready")

    def kill(self) -> None:
        while self.clients:
            self.clients.pop().close()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def client(self) -> httpx.Client:
        auth = yaml.safe_load((self.folder / "clouds.yaml").read_text())["clouds"]["mantle"]["auth"]
        answer = httpx.post(
            f"{auth['auth_url']}/auth/tokens",
            timeout=30,
            json={
                "auth": {
                    "identity": {
                        "methods": ["password"],
                        "password": {
                            "user": {
                                "name": auth["username"],
                                "password": auth["password"],
                                "domain": {"name": "Default"},
                            }
                        },
                    },
                    "scope": {"project": {"name": "demo", "domain": {"name": "Default"}}},
                }
            },
        )
        token = answer.headers["x-subject-token"]
        project = answer.json()["token"]["project"]["id"]
        client = httpx.Client(
            base_url=f"{self.url}/heat/v1/{project}",
            follow_redirects=True,
            headers={"X-Auth-Token": token},
            timeout=30,
        )
        self.clients.append(client)
        return client


def sleepers(folder: Path) -> list[psutil.Process]:
    """The servers' own processes, recognised by what their boot script runs."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if process.info["cmdline"] == ["sleep", "86399"]:
            try:
                if str(folder) in " ".join(_ancestry(process)):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
    return found


def _ancestry(process: psutil.Process) -> list[str]:
    return [part for parent in [process, *process.parents()] for part in parent.cmdline()]


def state(client: httpx.Client, name: str) -> str:
    answer = client.get(f"/stacks/{name}")
    return answer.json()["stack"]["stack_status"] if answer.status_code == 200 else "GONE"


@pytest.mark.slow
def test_fifty_kills_leave_each_server_running_exactly_once(tmp_path):
    """Five stacks, ten kills each, at moments chosen by a seed."""
    folder = tmp_path / "data"
    folder.mkdir()
    dice = random.Random(50)
    block = f"127.{96 + os.getpid() % 16}.0.0/16"
    plane = Plane(folder, block)
    plane.start()
    plane.ready()
    kills = 0
    try:
        for number in range(5):
            name = f"s{number}"
            client = plane.client()
            answer = client.post("/stacks", json={"stack_name": name, "template": TEMPLATE})
            assert answer.status_code == 201, answer.text
            for _ in range(10):
                time.sleep(dice.uniform(0.0, 0.8))
                plane.kill()
                kills += 1
                plane.start()
                if dice.random() < 0.7:
                    plane.ready()
                else:
                    time.sleep(dice.uniform(1.0, 4.0))
            plane.ready()
            client = plane.client()
            end = time.monotonic() + 120
            while state(client, name) == "CREATE_IN_PROGRESS" and time.monotonic() < end:
                time.sleep(0.2)
            shown = client.get(f"/stacks/{name}").json()["stack"]
            assert shown["stack_status"] == "CREATE_COMPLETE", json.dumps(shown, indent=1)
            assert len(sleepers(folder)) == 4
            gone = client.delete(f"/stacks/{name}/{shown['id']}")
            assert gone.status_code == 204
            time.sleep(dice.uniform(0.0, 0.5))
            plane.kill()
            kills += 1
            plane.start()
            plane.ready()
            client = plane.client()
            end = time.monotonic() + 120
            while state(client, name) != "GONE" and time.monotonic() < end:
                time.sleep(0.2)
            assert state(client, name) == "GONE"
            assert sleepers(folder) == []
    finally:
        while plane.clients:
            plane.clients.pop().close()
        plane.process.terminate()
        plane.process.wait(30)
        for process in psutil.process_iter(["cmdline", "cwd"]):
            about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
            if str(folder) in " ".join(about):
                process.kill()
    assert kills >= 50
