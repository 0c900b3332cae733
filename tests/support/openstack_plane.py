"""`mantle up` in front of the real OpenStack, and the clients as that cloud's users run them."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openstack_lab

ROOT = Path(__file__).parents[2]


def openstack_clients() -> Path:
    """The stock clients' environment, made by `make test-clients`."""
    return Path(os.environ.get("MANTLE_TEST_CLIENTS", ROOT / ".venv-clients"))


class Plane:
    """`mantle up` in front of the lab, and the clients as the lab's users run them."""

    entry = "real-demo"
    """Of clouds.yaml: what Mantle works with."""
    at = ""
    """The cloud where stacks go; empty: the entry."""
    more: tuple[str, ...] = ()
    """Options of `mantle up` besides."""

    def __init__(self, folder: Path, project: str, overrides: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.project = project
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        clouds = json.loads(openstack_lab.clouds_file().read_text())
        self.auth_url = clouds["clouds"]["real-demo"]["auth"]["auth_url"]
        clouds["clouds"]["mine"] = json.loads(json.dumps(clouds["clouds"]["real-demo"]))
        clouds["clouds"]["mine"]["auth"]["project_name"] = project
        clouds["clouds"]["real-demo"].update(overrides or {})
        self.prepare(clouds["clouds"])
        self.clouds = folder / "clouds.yaml"
        self.clouds.write_text(json.dumps(clouds))
        self.process = self.start()

    def prepare(self, clouds: dict) -> None:
        """What else clouds.yaml holds."""

    def start(self) -> subprocess.Popen:
        command = [sys.executable, "-m", "mantle", "up", "--data-dir", str(self.folder / "data")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--keystone-url", self.auth_url]
        command += ["--openstack", self.entry, "--openstack-config", str(self.clouds)]
        command += ["--cloud", self.at or self.entry, *self.more]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 180
        while time.monotonic() < end:
            assert process.poll() is None, self.said()
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return process
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.said())

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)

    def kill(self) -> None:
        """As a machine that loses its power; then a new one in the same folder."""
        self.process.kill()
        self.process.wait(30)
        self.process = self.start()

    def said(self) -> str:
        return (self.folder / "log").read_text()[-6000:]

    def run(self, program: str | Path, text: str, cloud: str = "mine", code: int = 0) -> str:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        done = subprocess.run(
            [program, *shlex.split(text)],
            env=kept | {"OS_CLIENT_CONFIG_FILE": str(self.clouds), "OS_CLOUD": cloud},
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        said = f"{text}\n{done.stdout}\n{done.stderr}\n{self.said()}"
        assert done.returncode == code, said
        return done.stdout

    def openstack(self, text: str, code: int = 0) -> str:
        """The stock client."""
        return self.run(openstack_clients() / "bin" / "openstack", text, code=code)

    def mantle(self, text: str, cloud: str = "mine", code: int = 0) -> str:
        return self.run(Path(sys.executable).with_name("mantle"), text, cloud, code)

    def shown(self, name: str) -> dict:
        found: dict = json.loads(self.openstack(f"stack show {name} -f json"))
        return found


class Heat:
    """The Heat API of a plane, with a token of the lab's Keystone: for stories of many steps."""

    def __init__(self, plane: Plane, project_id: str) -> None:
        token = openstack_lab.connect("real-demo", auth={"project_id": project_id}).auth_token
        self.http = httpx.Client(
            base_url=f"{plane.url}/heat/v1/{project_id}",
            headers={"X-Auth-Token": token},
            follow_redirects=True,
            timeout=120,
        )
        self.plane = plane

    def __enter__(self) -> "Heat":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def ask(self, method: str, path: str, body: object = None) -> dict:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.text}\n{self.plane.said()}"
        said = answer.headers.get("content-type", "").startswith("application/json")
        found: dict = answer.json() if said and answer.content.strip() else {}
        return found

    def create(self, resources: dict) -> None:
        self.ask("POST", "/stacks", {"stack_name": "s", "template": template_of(resources)})
        self.until("CREATE_COMPLETE")

    def update(self, resources: dict) -> None:
        path = f"/stacks/s/{self.stack()['id']}"
        self.ask("PUT", path, {"template": template_of(resources)})
        self.until("UPDATE_COMPLETE")

    def act(self, action: str) -> None:
        """check, suspend, resume."""
        self.ask("POST", f"/stacks/s/{self.stack()['id']}/actions", {action: None})
        self.until(f"{action.upper()}_COMPLETE")

    def delete(self) -> None:
        stack = self.stack()
        self.ask("DELETE", f"/stacks/s/{stack['id']}")
        self.until("DELETE_COMPLETE", f"s/{stack['id']}")

    def stack(self, name: str = "s") -> dict:
        found: dict = self.ask("GET", f"/stacks/{name}")["stack"]
        return found

    def ids(self) -> dict[str, str]:
        listed = self.ask("GET", f"/stacks/s/{self.stack()['id']}/resources")["resources"]
        return {each["resource_name"]: each["physical_resource_id"] for each in listed}

    def until(self, wanted: str, name: str = "s") -> None:
        action = wanted.partition("_")[0]
        for _ in range(1500):
            stack = self.stack(name)
            status = stack["stack_status"]
            if status == wanted:
                return
            failed = status == f"{action}_FAILED"
            assert not failed, f"{stack['stack_status_reason']}\n{self.plane.said()}"
            time.sleep(0.2)
        raise AssertionError(f"{status} for ever: {self.plane.said()}")


class Stock(Heat):
    """The same, asked by the stock `openstack` client, as a person would; only the waiting is ours.

    With `--wait` the client looks every five seconds.
    """

    def create(self, resources: dict) -> None:
        self.plane.openstack(f"stack create s -t {self._file(resources)}")
        self.until("CREATE_COMPLETE")

    def update(self, resources: dict) -> None:
        self.plane.openstack(f"stack update s -t {self._file(resources)}")
        self.until("UPDATE_COMPLETE")

    def act(self, action: str) -> None:
        self.plane.openstack(f"stack {action} s")
        self.until(f"{action.upper()}_COMPLETE")

    def delete(self) -> None:
        stack = self.stack()
        self.plane.openstack("stack delete s --yes")
        self.until("DELETE_COMPLETE", f"s/{stack['id']}")

    def _file(self, resources: dict) -> Path:
        file = self.plane.folder / "template.json"
        file.write_text(json.dumps(template_of(resources)))
        return file


def template_of(resources: dict) -> dict:
    return {"heat_template_version": "2021-04-16", "resources": resources}
