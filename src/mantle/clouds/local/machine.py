"""One server's processes: started, found again, frozen, ended. All of it blocks; use threads.

The server's folder holds `run/` (the supervisor's files) and `root/` (the server's own). Intent is
on disk before a process is started, and we look before we act: `pid.json` of this boot means the
deed was done, and a supervisor that is alive holds the server's lock, so there is never a second.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from mantle.clouds.local import processes, supervisor
from mantle.clouds.local.boot import Part
from mantle.clouds.local.copying import copy_into, empty
from mantle.clouds.local.isolation import BWRAP, Tier, enclosed
from mantle.clouds.local.processes import Process
from mantle.clouds.local.shelf import write_whole
from mantle.clouds.ports import Flavor, Unavailable

FileT = TypeVar("FileT")

BOOT_TIMEOUT_SECONDS = 600.0
"""For the parts before the last; the last may run for ever."""
GRACE_SECONDS = 2.0
"""Between asking a server's programs to end and ending them, when it is switched off."""
SPAWN_TIMEOUT_SECONDS = 30.0
PROCESSES_PER_VCPU = 256
OPEN_FILES = 4096
NICENESS = 5
"""Servers make way for the control plane."""
SHELL = "/bin/sh"
INIT = """\
stay=$1; shift; n=0
[ $# = 0 ] && echo "0 0" >&3
for part in "$@"; do
  n=$((n+1)); "$part" 3>&-; code=$?
  echo "$n $code" >&3
  [ $code = 0 ] || exit $code
done
exec 3>&-
[ $stay = stay ] && exec sleep 2147483647
exit 0
"""
"""Runs the parts in order and reports each. In a namespace it stays, because its end is the end of
whatever the boot left running."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """`launch.json`: everything the supervisor needs."""

    boot: int
    command: list[str]
    environment: dict[str, str]
    folder: str
    parts: int
    ends_with_boot: bool
    foreground: bool
    boot_timeout_seconds: float
    grace_seconds: float
    open_files: int
    processes: int
    memory_bytes: int
    nice: int


class Identity(msgspec.Struct, frozen=True):
    """`pid.json`: who supervises, since which boot of which run of the machine."""

    pid: int
    start_time: int
    boot: int
    machine: str


class Report(msgspec.Struct, frozen=True):
    """`status.json`: how the boot goes. Phases: booting, booted, failed, stopped."""

    boot: int
    phase: str
    since: float
    part: int = 1
    left: int = 0
    exit_code: int | None = None
    signal: int | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """What to start."""

    boot: int
    parts: tuple[Part, ...]
    flavor: Flavor
    host_name: str
    environment: Mapping[str, str]
    nameservers: tuple[str, ...]
    must_finish: bool
    boot_timeout_seconds: float
    fill: Path | None = None
    """What its own folder is to hold when it boots; None leaves what is there."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One server's folder and what runs from it."""

    server_id: str
    folder: Path
    tier: Tier
    hide: Path

    @property
    def run(self) -> Path:
        """The supervisor's folder."""
        return self.folder / "run"

    @property
    def root(self) -> Path:
        """The server's own folder, its HOME."""
        return self.folder / "root"

    def identity(self) -> Identity | None:
        """Who supervises, or did."""
        return _read(self.run / "pid.json", Identity)

    def report(self, boot: int) -> Report | None:
        """How this boot goes; None before its supervisor has said anything."""
        report = _read(self.run / "status.json", Report)
        return report if report is not None and report.boot == boot else None

    def supervisor(self) -> Process | None:
        """The supervisor, if it is alive."""
        me = self.identity()
        if me is None or me.machine != processes.machine_boot_id():
            return None
        process = Process(me.pid, me.start_time)
        return process if processes.is_alive(process) else None

    def was_cut_off(self) -> bool:
        """Whether the whole machine restarted since: then the server is to be booted again."""
        me = self.identity()
        return me is not None and me.machine != processes.machine_boot_id()

    def start(self, start: Start) -> None:
        """Boot, unless this boot was begun before."""
        me = self.identity()
        if me is not None and me.boot == start.boot:
            return
        if self.supervisor() is not None:
            self.end(hard=False)
        if start.fill is not None:
            self._refill(start.fill)
        self.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.root / "volumes").mkdir(parents=True, exist_ok=True)
        (self.run / "status.json").unlink(missing_ok=True)
        launch = self._launch(start)
        write_whole(self.run / "launch.json", msgspec.json.encode(launch))
        script = str(Path(supervisor.__file__))
        command = [sys.executable, "-I", "-S", script, str(self.run)]
        try:
            subprocess.run(  # noqa: S603 - our own script, by our own interpreter
                command,
                check=True,
                timeout=SPAWN_TIMEOUT_SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except (OSError, subprocess.SubprocessError) as problem:
            raise Unavailable(
                f"The supervisor of server {self.server_id} did not start: {problem}."
            ) from problem

    def _refill(self, image: Path) -> None:
        """Hold what the image holds; the volumes stay. Cut short, it is begun again."""
        if self.supervisor() is None:
            # What is left of an earlier boot must not write into what comes now.
            self.end(hard=True)
        self.root.mkdir(parents=True, exist_ok=True)
        empty(self.root, ("volumes",))
        copy_into(image, self.root)

    def _launch(self, start: Start) -> Launch:
        scripts = self._write_parts(start.parts)
        encloses = self.tier.name == BWRAP
        stay = "stay" if encloses else "leave"
        command = [SHELL, "-c", INIT, "boot", stay, *scripts]
        return Launch(
            boot=start.boot,
            command=enclosed(
                self.tier,
                hide=self.hide,
                home=self.root.resolve(),
                host_name=start.host_name,
                resolver=self._write_resolver(start.nameservers),
                command=command,
            ),
            environment={**start.environment, processes.MARK: self.server_id},
            folder=str(self.root.resolve()),
            parts=len(scripts),
            ends_with_boot=encloses,
            foreground=not start.must_finish,
            boot_timeout_seconds=start.boot_timeout_seconds,
            grace_seconds=GRACE_SECONDS,
            open_files=OPEN_FILES,
            processes=PROCESSES_PER_VCPU * start.flavor.vcpus,
            memory_bytes=start.flavor.ram_mib << 20,
            nice=NICENESS,
        )

    def _write_resolver(self, nameservers: tuple[str, ...]) -> Path | None:
        """A resolver configuration of the server's own, if its subnets name servers."""
        if not nameservers:
            return None
        path = self.run.resolve() / "resolv.conf"
        path.write_text("".join(f"nameserver {address}\n" for address in nameservers))
        return path

    def _write_parts(self, parts: tuple[Part, ...]) -> list[str]:
        folder = self.root.resolve() / ".boot"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        paths = []
        for number, part in enumerate(parts, start=1):
            path = folder / f"{number:02d}"
            path.write_bytes(part.content)
            path.chmod(0o700)
            paths.append(str(path))
        return paths

    def freeze(self, *, thaw: bool = False) -> None:
        """Stop every process where it is, or let them go on."""
        process = self.supervisor()
        if process is None:
            return
        number = signal.SIGCONT if thaw else signal.SIGSTOP
        for _ in range(20):
            pids = processes.tree_below(process.pid)
            states = {pid: (processes.stat_fields(pid) or ["Z"])[0] for pid in pids}
            waiting = [pid for pid, state in states.items() if (state == "T") == thaw]
            if not waiting:
                return
            for pid in waiting:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
            time.sleep(0.005)

    def is_frozen(self) -> bool:
        """Whether all of its processes are stopped."""
        process = self.supervisor()
        below = processes.tree_below(process.pid) if process else []
        return all((processes.stat_fields(pid) or ["T"])[0] in "TZ" for pid in below)

    def end(self, *, hard: bool) -> None:
        """End every process of the server, whatever it did to get away."""
        # A supervisor that is only now starting finds nothing to launch, and leaves.
        (self.run / "launch.json").unlink(missing_ok=True)
        process = self.supervisor()
        if process is not None:
            processes.send(process, signal.SIGUSR1 if hard else signal.SIGTERM)
            if not processes.wait_gone(process, GRACE_SECONDS + 8):
                processes.send(process, signal.SIGKILL)
        if not processes.sweep(self.server_id):
            raise Unavailable(
                f"Processes of server {self.server_id} do not end, though killed.",
                remedy="They wait in the kernel, usually for a file system; try again later.",
            )

    def remove(self) -> None:
        """Remove its files. Volumes were moved out before."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def console(self, lines: int) -> str:
        """The last lines of the console log."""
        text = b""
        for name in ("console.log.1", "console.log"):
            path = self.run / name
            if path.exists():
                text += path.read_bytes()
        kept = text.decode(errors="replace").splitlines()
        return "\n".join(kept[-lines:] if lines > 0 else kept)


def _read(path: Path, kind: type[FileT]) -> FileT | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
