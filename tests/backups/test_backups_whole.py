"""The whole story with real processes: backup under load, a lost machine, a restore, reconciled."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.proves("beyond: backup and restore")]

TEMPLATE = """
heat_template_version: 2021-04-16
parameters: {seconds: {type: number, default: 0}}
resources:
  net: {type: OS::Neutron::Net}
  volume: {type: OS::Cinder::Volume, properties: {size: 1}}
  wait: {type: OS::Heat::TestResource, properties: {wait_secs: {get_param: seconds}}}
  after: {type: OS::Cinder::Volume, depends_on: wait, properties: {size: 1}}
"""

GOLDEN = """\
Operations that were under way (1):
  busy on local, project <id>: CREATE was under way, <n> steps done
      -> goes on from where it stood; or --cancel operation:<id>

Stacks that differ from what is there (2):
  dropped on local, project <id>: all of its 3 objects are gone: it was probably deleted after the \
backup
      after (OS::Cinder::Volume): gone
      net (OS::Neutron::Net): gone
      volume (OS::Cinder::Volume): gone
      -> left as it is; or --correct drift:<id>
  hurt on local, project <id>: 1 of 3 objects gone
      volume (OS::Cinder::Volume): gone
      -> left as it is; or --correct drift:<id>

Made after the backup, and unknown to it (3):
"""


class Machine:
    """A data folder and the control plane on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [sys.executable, "-m", "mantle", "up", "--data-dir", str(self.folder)]
        command += ["--listen", f"127.0.0.1:{port}", "--loopback-block", "127.23.0.0/16"]
        with (self.folder.parent / f"{self.folder.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.2)
        raise AssertionError(self.log())

    def log(self) -> str:
        return (self.folder.parent / f"{self.folder.name}.log").read_text()[-4000:]

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def mantle(self, *words: str, fails: bool = False) -> dict:
        environment = os.environ | {
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "clouds.yaml"),
            "OS_CLOUD": "mantle",
        }
        command = [sys.executable, "-m", "mantle", *words, "--json"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert fails or done.returncode == 0, f"{words}: {done.stdout}{done.stderr}{self.log()}"
        return json.loads(done.stdout)

    def states(self) -> dict[str, str]:
        return {each["name"]: each["status"] for each in self.mantle("stack", "list")["stacks"]}


def rendered(text: str) -> str:
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=project )[0-9a-f]{32}", "<id>", text)
    text = re.sub(r"\d of \d steps", "<n> steps", text)
    return text.partition("\n\n")[2]


def test_a_lost_machine_comes_back_and_is_reconciled(tmp_path):
    """Taken while it works, restored elsewhere, compared with the world, and everything right."""
    old, new = Machine(tmp_path / "old"), Machine(tmp_path / "new")
    template, key = tmp_path / "t.yaml", tmp_path / "key"
    template.write_text(TEMPLATE)
    key.write_text("correct horse battery staple\n")
    key.chmod(0o600)
    create = ("stack", "create")
    with_template = ("-t", str(template), "--yes")
    old.folder.mkdir()
    try:
        old.start()
        for name in ("kept", "dropped", "hurt"):
            old.mantle(*create, name, *with_template)
        old.mantle(*create, "busy", *with_template, "-p", "seconds=20", "--no-wait")
        made = old.mantle(
            *("backup", "create", "--data-dir", str(old.folder), "--to", str(tmp_path / "b")),
            *("--encrypt-with", str(key)),
        )
        assert old.states()["busy"] == "CREATE_IN_PROGRESS", "the load was over too soon"

        # What the world does meanwhile: by the old machine, and by hand.
        old.mantle("stack", "delete", "dropped", "--yes")
        old.mantle(*create, "late", *with_template)
        volume = next(
            each["physical_id"]
            for each in old.mantle("stack", "resources", "hurt")["resources"]
            if each["name"] == "volume"
        )
        old.kill()
        remove_by_hand(old.folder / "local-cloud", volume)

        archive = made["path"]
        restored = new.mantle(
            *("backup", "restore", archive, "--data-dir", str(new.folder)),
            *("--key-file", str(key)),
        )
        assert (restored["operations_under_way"], restored["missing_files"]) == (1, [])
        # The local cloud is the world: its disk is still there, and moves to the new machine.
        shutil.move(old.folder / "local-cloud", new.folder / "local-cloud")
        new.start()
        assert new.states()["busy"] == "CREATE_IN_PROGRESS"
        refused = new.mantle(*create, "more", *with_template, fails=True)
        assert "mantle reconcile" in json.dumps(refused)
        plan = new.mantle("reconcile", "plan", "--cloud", "mantle-admin")
        told = rendered(plan["rendered"])
        assert told.startswith(GOLDEN), told
        found = sorted(each["details"] or each["said"] for each in plan["items"][3:])
        assert len(found) == 3, found

        hurt = next(each["id"] for each in plan["items"] if each["name"] == "hurt")
        done = new.mantle(
            *("reconcile", "apply", "--cloud", "mantle-admin", "--yes", "--correct", hurt),
            *("--adopt", "all"),
        )
        assert [each for each in done["outcomes"] if each["refused"]] == []
        end = time.monotonic() + 180
        while time.monotonic() < end:
            states = new.states()
            if not any("IN_PROGRESS" in each for each in states.values()):
                break
            time.sleep(0.5)
        taken = next(name for name in states if name.startswith("found-"))
        assert states == {
            "kept": "CREATE_COMPLETE",
            "dropped": "CREATE_COMPLETE",
            "hurt": "UPDATE_COMPLETE",
            "busy": "CREATE_COMPLETE",
            taken: "ADOPT_COMPLETE",
        }
        assert new.mantle("cloud", "unmanaged", "local")["objects"] == []
        for name in ("dropped", "kept", "hurt", "busy", taken):
            new.mantle("stack", "delete", name, "--yes")
        assert new.states() == {}
        assert new.mantle("cloud", "unmanaged", "local")["objects"] == []
    finally:
        old.kill()
        new.kill()


def remove_by_hand(world: Path, volume: str) -> None:
    """Take a volume away with its record, as its cloud would."""
    for path in [*world.rglob(f"*{volume}*")]:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
