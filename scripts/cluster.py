"""A whole cluster on this machine: PostgreSQL, a keeper, two APIs behind HAProxy, three engines.

`make cluster` runs it in the foreground and says what to kill; whatever is killed is started again
after a while, as a supervisor would. Ctrl-C ends it; the data folder is kept for the next time.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from mantle.lib.postgres import PostgresServer

READY_SECONDS = 120.0
POLL_SECONDS = 0.2
RESTART_SECONDS = 5.0
LEAVING_SECONDS = 30.0
"""For a process to end that was told to."""

HAPROXY = """
global
    maxconn 2000
defaults
    mode http
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    retries 3
    option redispatch
    # A request that an API did not take to its end is given to the other one.
    retry-on conn-failure empty-response 503
frontend front
    bind 127.0.0.1:{port}
    default_backend apis
backend apis
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 500ms fall 2 rise 1
{servers}
"""


@dataclass
class Member:
    """One process of the cluster."""

    name: str
    command: list[str]
    process: "subprocess.Popen[bytes] | None" = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Cluster:
    """All of it, over one folder."""

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        apis: int = 2,
        engines: int = 3,
        cloud: str = "local",
        environment: dict[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.api_ports = [free_port() for _ in range(apis)]
        self.engines = engines
        self.postgres = PostgresServer(folder=_database_folder(folder), port=free_port())
        self.url = f"http://127.0.0.1:{self.port}"
        # What was decided elsewhere for another control plane is not for this one.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MANTLE_")}
        block = os.environ.get("MANTLE_LOOPBACK_BLOCK")
        self.environment = kept | {
            "MANTLE_DATA_DIR": str(folder),
            "MANTLE_CLOUD": cloud,
            "MANTLE_PUBLIC_URL": self.url,
            "MANTLE_DATABASE": self.postgres.url("mantle"),
            "MANTLE_SECRETS_KEYS": str(folder / "keys"),
            **({"MANTLE_LOOPBACK_BLOCK": block} if block else {}),
            **(environment or {}),
        }
        self.python = python
        """Of the release that members are started from."""
        self.members: dict[str, Member] = {}

    def start(self) -> None:
        """All processes, each when what it needs is there."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        new = not (self.postgres.folder / "data" / "PG_VERSION").exists()
        self.postgres.start()
        if new:
            self.postgres.create_database("mantle")
        self.migrate()
        keys = self.environment["MANTLE_SECRETS_KEYS"]
        if keys != "none" and not Path(keys).exists():
            self._mantle("keys", "new")
        self._add("keeper", "keeper")
        self.until((self.folder / "keeper.sock").exists, "the keeper")
        for number, port in enumerate(self.api_ports, 1):
            # One after the other: the first one makes the accounts.
            self._add(f"api-{number}", "api", "--listen", f"127.0.0.1:{port}")
            self.until(lambda port=port: _ready(f"http://127.0.0.1:{port}"), f"api-{number}")
        for number in range(1, self.engines + 1):
            self._add(f"engine-{number}", "engine")
        self._balance()
        self.until(lambda: _ready(self.url), "HAProxy")

    def stop(self) -> None:
        """Everything, the database last."""
        for member in reversed(self.members.values()):
            if member.runs:
                member.process.send_signal(signal.SIGTERM)
        for member in self.members.values():
            if member.process is not None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    member.process.wait(20)
                if member.runs:
                    member.process.kill()
                    member.process.wait()
        self.postgres.stop()

    def restart(self, name: str) -> None:
        """Start a member again that has ended."""
        member = self.members[name]
        with (self.folder / f"{name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                member.command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def migrate(self) -> None:
        """Bring the database to the tables of the release that members are started from."""
        self._mantle("migrate")

    def replace(self, name: str) -> None:
        """End a member as an upgrade does, and start it from the release that is set now."""
        member = self.members[name]
        assert member.process is not None
        member.process.send_signal(signal.SIGTERM)
        member.process.wait(LEAVING_SECONDS)
        member.command[0] = self.python
        self.restart(name)

    def until_ready(self, name: str) -> None:
        """Wait for one API to answer."""
        port = self.api_ports[int(name.removeprefix("api-")) - 1]
        self.until(lambda: _ready(f"http://127.0.0.1:{port}"), name)

    def _add(self, name: str, *arguments: str) -> None:
        command = [self.python, "-m", "mantle", *arguments]
        self.members[name] = Member(name, command)
        self.restart(name)

    def _mantle(self, *arguments: str) -> None:
        command = [self.python, "-m", "mantle", *arguments]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL)

    def _balance(self) -> None:
        program = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
        if program is None:
            raise SystemExit("There is no HAProxy here. Install Debian's `haproxy`.")
        servers = "\n".join(
            f"    server api-{number} 127.0.0.1:{port}"
            for number, port in enumerate(self.api_ports, 1)
        )
        config = self.folder / "haproxy.cfg"
        config.write_text(HAPROXY.format(port=self.port, servers=servers))
        self.members["haproxy"] = Member("haproxy", [program, "-db", "-f", str(config)])
        self.restart("haproxy")

    def until(self, true: Callable[[], bool], what: str) -> None:
        """Wait for it; a member that ends meanwhile is told with the end of its log."""
        end = time.monotonic() + READY_SECONDS
        while not true():
            for member in self.members.values():
                if not member.runs:
                    log = (self.folder / f"{member.name}.log").read_text(errors="replace")
                    raise SystemExit(f"{member.name} ended:\n{log[-3000:]}")
            if time.monotonic() > end:
                raise SystemExit(f"{what} was not ready after {READY_SECONDS:.0f} s")
            time.sleep(POLL_SECONDS)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _database_folder(folder: Path) -> Path:
    """Root's PostgreSQL runs as another account, which may not go into root's folders."""
    if os.geteuid() != 0:
        return folder / "postgres"
    return Path("/var/tmp") / f"mantle-cluster-{zlib.crc32(str(folder.absolute()).encode()):08x}"


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path("var/cluster"))
    parser.add_argument("--port", type=int, default=8779)
    parser.add_argument("--cloud", default="local", choices=["local", "simulated"])
    given = parser.parse_args()
    cluster = Cluster(given.data_dir.absolute(), port=given.port, cloud=given.cloud)
    try:
        cluster.start()
        _tell(cluster)
        while True:
            time.sleep(RESTART_SECONDS)
            for name, member in cluster.members.items():
                if not member.runs:
                    cluster.restart(name)
                    print(f"{name} had ended; it is process {cluster.members[name].pid} now")
    except KeyboardInterrupt:
        return 0
    finally:
        cluster.stop()


def _tell(cluster: Cluster) -> None:
    print(f"The cluster answers at {cluster.url}\n")
    for member in cluster.members.values():
        print(f"  {member.name:10} process {member.pid}")
    print(f"  {'postgres':10} process {cluster.postgres.pid}\n")
    engine, api = cluster.members["engine-1"], cluster.members["api-1"]
    print(
        f"""Try, in another terminal:

  export MANTLE_DATA_DIR={cluster.folder}
  mantle stack create web -t examples/02-load-balanced-web/web.yaml --yes &
  kill -9 {engine.pid}     # an engine: the others follow it after its lease
  kill -9 {api.pid}     # an API: HAProxy uses the other one

What is killed is started again. Ctrl-C here ends it all; the data stays in {cluster.folder}.""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
