"""A real `mantle up`, and the stock clients in an environment that knows nothing of Mantle."""

import json
import os
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]
CLIENTS = Path(os.environ.get("MANTLE_TEST_CLIENTS", ROOT / ".venv-clients"))
"""Made by `make test-clients`."""


class Plane:
    """One control plane process, and how to speak to it as its users do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free, socket.socket() as other:
            free.bind(("127.0.0.1", 0))
            other.bind(("127.0.0.1", 0))
            self.port, self.cfn_port = free.getsockname()[1], other.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.cfn_url = f"http://127.0.0.1:{self.cfn_port}"
        self.log = folder / "log"
        command = [sys.executable, "-m", "mantle", "up", "--cloud", "simulated"]
        command += ["--data-dir", str(folder / "data"), "--listen", f"127.0.0.1:{self.port}"]
        command += ["--cfn-listen", f"127.0.0.1:{self.cfn_port}"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def environment(self) -> dict[str, str]:
        """What a person exports to log in; nothing else of OpenStack's."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OS_")}
        return kept | {
            "OS_CLIENT_CONFIG_FILE": str(self.folder / "data" / "clouds.yaml"),
            "OS_CLOUD": "mantle",
        }

    def ready(self) -> None:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()[-4000:]
            try:
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        raise AssertionError(self.log.read_text()[-4000:])

    def run(self, *command: str | Path, code: int = 0) -> str:
        """Run a program of the clients' environment; answer its standard output."""
        program = CLIENTS / "bin" / str(command[0])
        done = subprocess.run(
            [program, *map(str, command[1:])],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        said = f"{shlex.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"exit code {done.returncode}: {said}"
        assert "Traceback" not in done.stderr, said
        return done.stdout if code == 0 else done.stdout + done.stderr

    def openstack(self, text: str, *more: str | Path) -> str:
        """`openstack …`."""
        return self.run("openstack", *shlex.split(text), *more)

    def data(self, text: str, *more: str | Path) -> object:
        """`openstack … -f json`, decoded."""
        return json.loads(self.openstack(text, *more, "-f", "json"))


@pytest.fixture(scope="session")
def clients() -> Path:
    """The clients' environment."""
    if not (CLIENTS / "bin" / "openstack").exists():
        pytest.fail(f"the stock clients are not in {CLIENTS}; run `make test-clients`")
    return CLIENTS


@pytest.fixture(scope="session")
def plane(clients: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    assert clients
    plane = Plane(tmp_path_factory.mktemp("plane"))
    try:
        plane.ready()
        yield plane
    finally:
        plane.process.terminate()
        plane.process.wait(30)
