"""One stack of more than 300 resources lives its whole life on the local cloud, told in order.

Planned and applied; overtaken half-way; broken and rolled back; changed by hand and brought back;
exported, abandoned, and adopted by a second control plane on the same cloud, where it ends.
Everything is real: `mantle up`, the command line, processes, volumes, a load balancer.
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from mantle.cli.control_plane import ensure_plane, left_behind, stop_plane

HERE = Path(__file__).parent
MEMBERS = 40
BLOCK = "127.14.0.0/16"


class Story:
    """A control plane over a data folder, and the command line that talks with it."""

    def __init__(self, data: Path, **environment: str) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        self.data = data
        self.environment = kept | {
            "MANTLE_LOOPBACK_BLOCK": BLOCK,
            "COLUMNS": "200",
            "MANTLE_DATA_DIR": str(data),
            **environment,
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.environment.items():
                patch.setenv(name, value)
            self.plane, _ = ensure_plane(data)

    def stop(self) -> None:
        stop_plane(self.plane, self.data)

    def mantle(self, *arguments: str, code: int = 0) -> str:
        """Run one command; its exit code must be the expected one."""
        done = subprocess.run(
            [sys.executable, "-m", "mantle", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == code, f"{arguments}\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        return done.stdout

    def json(self, *arguments: str, code: int = 0):
        return json.loads(self.mantle(*arguments, "--json", code=code))

    def stack(self, name: str = "fleet"):
        return self.json("stack", "show", name)["stack"]

    def resources(self):
        return self.json("stack", "resources", "fleet", "--depth", "3")["resources"]

    def is_as_planned(self, *changes: str) -> bool:
        """Nothing would change with the template and parameters in force."""
        planned = self.json("stack", "plan", "fleet", "-t", str(HERE / "fleet.yaml"), *changes)
        return {step["verb"] for step in planned["plan"]["steps"]} <= {"keep"}


def processes(folder: Path, *words: str) -> list[psutil.Process]:
    """Running processes whose command has these words, below a server of this folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if set(words) <= set(process.info["cmdline"] or []):
            try:
                above = [part for each in process.parents() for part in each.cmdline()]
            except psutil.NoSuchProcess:
                continue
            if str(folder) in " ".join(above) and process.info["cmdline"][0] != "/bin/sh":
                found.append(process)
    return found


def end_all(folder: Path) -> None:
    """Whatever names this folder or works in it, with all below: nothing, when all went well."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        about = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        if str(folder) in " ".join(about):
            for each in [*_below(process), process]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def web_servers(folder: Path) -> int:
    """How many members' web servers run."""
    return len(processes(folder, "-m", "http.server"))


def who_answers(url: str, asks: int) -> Counter:
    names: Counter = Counter()
    for _ in range(asks):
        with httpx.Client(transport=httpx.HTTPTransport(retries=8), timeout=20) as client:
            names[client.get(url).text.strip()] += 1
    return names


def token_of(identity: str, data: Path) -> tuple[str, str]:
    """A token and the project's id, of an identity service, with the password of a data folder."""
    auth = yaml.safe_load((data / "clouds.yaml").read_text())["clouds"]["mantle"]["auth"]
    user = {"name": auth["username"], "password": auth["password"], "domain": {"name": "Default"}}
    scope = {"project": {"name": auth["project_name"], "domain": {"name": "Default"}}}
    wanted = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    answer = httpx.post(f"{identity}/auth/tokens", json={"auth": wanted}, timeout=60)
    assert answer.status_code == 201, answer.text
    return answer.headers["x-subject-token"], answer.json()["token"]["project"]["id"]


def until(client: httpx.Client, path: str, state: str) -> None:
    """Wait for a stack's state; 404 is the state GONE."""
    end = time.monotonic() + 600
    seen = ""
    while time.monotonic() < end:
        answer = client.get(path)
        stack = answer.json().get("stack", {})
        seen = "GONE" if answer.status_code == 404 else stack["stack_status"]
        if seen == state:
            return
        assert not seen.endswith("FAILED"), stack["stack_status_reason"]
        time.sleep(0.5)
    raise AssertionError(f"still {seen}, not {state}")


@pytest.mark.slow
@pytest.mark.proves("life cycle: the whole story of a stack of 300 resources")
def test_a_stack_lives_its_whole_life(tmp_path):
    """Each chapter begins where the one before ended."""
    first = Story(tmp_path / "first")
    try:
        document = live_with(first)
    finally:
        first.stop()
    try:
        end_elsewhere(tmp_path, document)
    finally:
        end_all(tmp_path)
    assert left_behind(tmp_path) == []


def live_with(story: Story):
    """From the plan to the abandoned stack, whose document is returned."""
    template = str(HERE / "fleet.yaml")

    # It is planned, and the plan is applied.
    plan = story.json("plan", "create", "fleet", "-t", template, "-p", f"members={MEMBERS}")
    assert [stack["name"] for stack in story.json("stack", "list")["stacks"]] == []
    story.mantle("plan", "apply", plan["plan_id"], "--yes")
    rows = story.resources()
    assert len(rows) > 300
    assert {row["status"] for row in rows} == {"CREATE_COMPLETE"}
    assert web_servers(story.data) == MEMBERS
    url = story.mantle("stack", "outputs", "fleet", "url").strip()
    assert set(who_answers(url, 2 * MEMBERS)) == {f"web-{each}" for each in range(MEMBERS)}
    assert story.is_as_planned("-p", f"members={MEMBERS}")
    assert story.json("drift", "check", "fleet")["drift"] == []

    # An update is overtaken by another while its last step still runs.
    slow = ["-p", "edition=second", "-p", "pause=30", "-p", f"members={MEMBERS + 1}"]
    story.mantle("stack", "update", "fleet", "-t", template, *slow, "--yes", "--no-wait")
    while story.mantle("stack", "outputs", "fleet", "label").strip() != "second":
        time.sleep(0.2)
    now = ["-p", "edition=third", "-p", "pause=0", "-p", f"members={MEMBERS + 2}"]
    story.mantle("stack", "update", "fleet", "-t", template, *now, "--yes")
    assert story.stack()["status"] == "UPDATE_COMPLETE"
    assert story.mantle("stack", "outputs", "fleet", "label").strip() == "third"
    assert web_servers(story.data) == MEMBERS + 2
    assert story.is_as_planned(*now)

    # One fails at its end, and everything it did before is taken back.
    bad = ["-p", "edition=fourth", "-p", "broken=true", "-p", f"members={MEMBERS - 1}"]
    story.mantle("stack", "update", "fleet", "-t", template, *bad, "--rollback", "--yes", code=1)
    assert story.stack()["status"] == "ROLLBACK_COMPLETE"
    assert story.mantle("stack", "outputs", "fleet", "label").strip() == "third"
    assert web_servers(story.data) == MEMBERS + 2
    assert story.is_as_planned(*now)

    # Somebody kills a server by hand; that is seen, and brought back.
    for process in processes(story.data, "sleep", "86398"):
        process.kill()
    while not (seen := story.json("drift", "check", "fleet")["drift"]):
        time.sleep(0.5)
    assert [(each["resource"], each["path"]) for each in seen] == [("watch", "status")]
    story.mantle("drift", "correct", "fleet")
    while story.stack()["status"] != "UPDATE_COMPLETE":
        time.sleep(0.5)
    assert len(processes(story.data, "sleep", "86398")) == 1
    assert story.json("drift", "check", "fleet")["drift"] == []

    # It is exported, and left: everything goes on running, and no stack owns it.
    story.mantle("stack", "export", "fleet", "--output", str(story.data / "fleet.json"))
    exported = json.loads((story.data / "fleet.json").read_text())
    story.mantle("stack", "abandon", "fleet", "--output", str(story.data / "left.json"), "--yes")
    left = json.loads((story.data / "left.json").read_text())
    assert left["resources"].keys() == exported["resources"].keys()
    assert story.json("stack", "list")["stacks"] == []
    assert web_servers(story.data) == MEMBERS + 2
    assert len(set(who_answers(url, 2 * MEMBERS + 4))) == MEMBERS + 2
    return left


def end_elsewhere(folder: Path, document) -> None:
    """Another control plane, which has nothing of the first but the cloud, takes the stack over."""
    names = folder / "names"
    names.mkdir()
    for database in (folder / "first").glob("*.sqlite*"):
        shutil.copy(database, names)
    for secret in ("clouds.yaml", "keys"):
        shutil.copy(folder / "first" / secret, names)
    identity = Story(names, MANTLE_LOOPBACK_BLOCK="127.15.0.0/16")
    keystone = f"{identity.plane.url}/identity/v3"
    cloud = folder / "second" / "local-cloud"
    cloud.parent.mkdir()
    cloud.symlink_to(folder / "first" / "local-cloud")
    # What waits for it looks for this file, which it has no cause to write with another's Keystone.
    (folder / "second" / "clouds.yaml").touch()
    second = Story(folder / "second", MANTLE_KEYSTONE_URL=keystone)
    token, project = token_of(keystone, names)
    try:
        with httpx.Client(
            base_url=f"{second.plane.url}/heat/v1/{project}",
            headers={"X-Auth-Token": token},
            follow_redirects=True,
            timeout=120,
        ) as client:
            adopt = {"stack_name": "taken", "adopt_stack_data": json.dumps(document)}
            answer = client.post("/stacks", json=adopt)
            assert answer.status_code == 201, answer.text
            until(client, "/stacks/taken", "ADOPT_COMPLETE")
            rows = client.get("/stacks/taken/resources?nested_depth=3").json()["resources"]
            assert len(rows) > 300
            assert {row["resource_status"] for row in rows} == {"ADOPT_COMPLETE"}
            running = web_servers(folder / "first")
            assert running == MEMBERS + 2

            # There, too, nothing would change; and it ends there.
            shown = client.get("/stacks/taken").json()["stack"]
            path = f"/stacks/taken/{shown['id']}"
            same = {
                "template": document["template"],
                "files": document["files"],
                "environment": document["environment"],
            }
            preview = client.put(f"{path}/preview", json=same)
            assert preview.status_code == 200, preview.text
            changes = preview.json()["resource_changes"]
            assert {verb for verb, rows in changes.items() if rows} == {"unchanged"}
            assert client.delete(path).status_code == 204
            until(client, "/stacks/taken", "GONE")
            assert web_servers(folder / "first") == 0
    finally:
        second.stop()
        identity.stop()
