"""Two real control planes: one makes a stack on the other and is killed, again and again.

Nothing is made twice there, nothing is left over, and every update is carried out once.
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
import pytest
import yaml

INNER = """heat_template_version: 2018-08-31
parameters:
  length: {type: number}
resources:
  slow: {type: OS::Heat::Delay, properties: {min_wait: 0.4}}
  word: {type: OS::Heat::RandomString, depends_on: slow, properties: {length: {get_param: length}}}
outputs:
  word: {value: {get_attr: [word, value]}}
"""
OUTER = """heat_template_version: 2018-08-31
parameters:
  length: {type: number}
resources:
  there:
    type: OS::Heat::Stack
    properties:
      context: {credential_secret_id: other}
      template: {get_file: inner.yaml}
      parameters: {length: {get_param: length}}
outputs:
  word: {value: {get_attr: [there, outputs, word]}}
"""


class Plane:
    """A control plane process."""

    def __init__(self, folder: Path, block: str) -> None:
        self.folder, self.block = folder, block
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen | None = None
        self.http = httpx.Client(timeout=30, follow_redirects=True)

    def start(self) -> None:
        command = [sys.executable, "-m", "mantle", "up", "--data-dir", str(self.folder / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--loopback-block", self.block]
        command += ["--cloud", "simulated", "--destinations", "127.0.0.1"]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def ready(self) -> "Plane":
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.process.poll() is None, (self.folder / "log").read_text()[-4000:]
            try:
                if self.http.get(f"{self.url}/readyz").status_code == 200:
                    return self
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError("never ready")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    @property
    def auth(self) -> dict:
        written = (self.folder / "data" / "clouds.yaml").read_text()
        return yaml.safe_load(written)["clouds"]["mantle"]["auth"]

    def log_in(self) -> None:
        user = {"name": self.auth["username"], "domain": {"name": "Default"}}
        user["password"] = self.auth["password"]
        answer = self.http.post(
            f"{self.url}/identity/v3/auth/tokens",
            json={
                "auth": {
                    "identity": {"methods": ["password"], "password": {"user": user}},
                    "scope": {"project": {"name": "demo", "domain": {"name": "Default"}}},
                }
            },
        )
        self.http.headers["X-Auth-Token"] = answer.headers["x-subject-token"]
        self.heat = f"{self.url}/heat/v1/{answer.json()['token']['project']['id']}"

    def stacks(self) -> list[dict]:
        return self.http.get(f"{self.heat}/stacks").json()["stacks"]

    def stack(self, name: str) -> dict:
        return self.http.get(f"{self.heat}/stacks/{name}").json().get("stack", {})

    def events(self, stack: dict) -> list[str]:
        path = f"{self.heat}/stacks/{stack['stack_name']}/{stack['id']}/events"
        found = self.http.get(path, params={"sort_dir": "asc"}).json()["events"]
        return [
            each["resource_status_reason"]
            for each in found
            if each["resource_name"] == stack["stack_name"]
        ]


def ended(plane: Plane, name: str) -> dict:
    end = time.monotonic() + 90
    while time.monotonic() < end:
        stack = plane.stack(name)
        if not stack or not stack["stack_status"].endswith("IN_PROGRESS"):
            return stack
        time.sleep(0.1)
    raise AssertionError(plane.stack(name))


@pytest.mark.slow
@pytest.mark.proves("type: OS::Heat::Stack of another Heat")
def test_killed_in_the_middle_nothing_is_doubled_there(tmp_path):
    """Create, two updates and a delete, each with kills at moments chosen by a seed."""
    dice = random.Random(7)
    planes = []
    for name in ("here", "there"):
        folder = tmp_path / name
        folder.mkdir()
        block = f"127.{112 + os.getpid() % 8 + 8 * len(planes)}.0.0/16"
        planes.append(Plane(folder, block))
    here, there = planes

    def killed(times):
        for _ in range(times):
            time.sleep(dice.uniform(0.0, 0.6))
            here.kill()
            here.start()
            if dice.random() < 0.5:
                here.ready()
            else:
                time.sleep(dice.uniform(0.5, 2.0))
        here.ready().log_in()

    try:
        for plane in planes:
            plane.start()
        for plane in planes:
            plane.ready().log_in()
        auth = {"project_name": "demo", **there.auth}
        kept = here.http.post(
            f"{here.url}/v2/secrets",
            json={"name": "other", "payload": {"auth_type": "password", "auth": auth}},
        )
        assert kept.status_code == 201, kept.text
        body = {"template": OUTER, "files": {"inner.yaml": INNER}}
        asked = {**body, "stack_name": "s", "parameters": {"length": 5}}
        answer = here.http.post(f"{here.heat}/stacks", json=asked)
        assert answer.status_code == 201, answer.text
        killed(3)
        made = ended(here, "s")
        assert made["stack_status"] == "CREATE_COMPLETE", json.dumps(made, indent=1)
        (inner,) = there.stacks()
        assert there.events(inner).count("Stack CREATE started") == 1
        for length in (7, 9):
            changed = {**body, "parameters": {"length": length}}
            put = here.http.put(f"{here.heat}/stacks/s/{made['id']}", json=changed)
            assert put.status_code == 202, put.text
            killed(2)
            updated = ended(here, "s")
            assert updated["stack_status"] == "UPDATE_COMPLETE", json.dumps(updated, indent=1)
            assert len(updated["outputs"][0]["output_value"]) == length
        assert [each["id"] for each in there.stacks()] == [inner["id"]]
        assert there.events(inner).count("Stack UPDATE started") == 2
        here.http.delete(f"{here.heat}/stacks/s/{made['id']}")
        killed(1)
        ended(here, "s")
        assert (here.stacks(), there.stacks()) == ([], [])
    finally:
        for plane in planes:
            plane.http.close()
            if plane.process is not None:
                plane.process.terminate()
                plane.process.wait(30)
