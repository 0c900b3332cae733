"""The control plane that `mantle demo` starts in the background, found again by its data folder.

`plane.json` in that folder says which process it is (its id and when it was started, because ids
are used again) and where it listens. A demo whose control plane died is started again on the same
address, so that what its servers were told stays true.
"""

import json
import os
import signal
import socket
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from mantle.cli.exits import Exit, Stop

READY_SECONDS = 90.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.1
TRIES = 3
USUAL_PORT = 8778
LOG_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Plane:
    """One control plane process and where it listens."""

    pid: int
    started_at: float
    """The process's own start time, which together with its id is unique."""
    port: int

    @property
    def url(self) -> str:
        """Its root."""
        return f"http://127.0.0.1:{self.port}"


def find_plane(data: Path) -> Plane | None:
    """The one noted in the folder, running or not."""
    try:
        return Plane(**json.loads((data / "plane.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def is_running(plane: Plane) -> bool:
    """True while that very process lives."""
    import psutil  # noqa: PLC0415 - the demo alone looks at processes

    try:
        process = psutil.Process(plane.pid)
        same = abs(process.create_time() - plane.started_at) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def ensure_plane(data: Path) -> tuple[Plane, bool]:
    """The running control plane of this folder, started if need be; True when it was started."""
    known = find_plane(data)
    if known is not None and is_running(known):
        wait_until_ready(known, data)
        return known, False
    wanted = known.port if known else USUAL_PORT
    for _ in range(TRIES - 1):
        plane = _start(data, _free_port(wanted))
        try:
            wait_until_ready(plane, data)
        except Stop:
            # Somebody may have taken the port since it was found free; other reasons come again.
            if is_running(plane):
                raise
        else:
            return plane, True
    plane = _start(data, _free_port(0))
    wait_until_ready(plane, data)
    return plane, True


def _start(data: Path, port: int) -> Plane:
    import psutil  # noqa: PLC0415

    data.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mantle", "up"]
    command += ["--data-dir", str(data), "--listen", f"127.0.0.1:{port}"]
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    pid = os.posix_spawn(
        sys.executable,
        command,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(data / "mantle.log"), append, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    plane = Plane(pid=pid, started_at=psutil.Process(pid).create_time(), port=port)
    (data / "plane.json").write_text(json.dumps(asdict(plane)), encoding="utf-8")
    return plane


def _free_port(wanted: int) -> int:
    """The wanted port, or any other when it is taken (0: any)."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Stop(Exit.FAILED, "No port is free on 127.0.0.1.")


def wait_until_ready(plane: Plane, data: Path) -> None:
    """Until it answers and has written how to log in; its log's end when it dies instead."""
    import httpx  # noqa: PLC0415

    end = time.monotonic() + READY_SECONDS
    while time.monotonic() < end:
        _reap(plane)
        if not is_running(plane):
            raise Stop(Exit.FAILED, f"The control plane ended at once.\n{log_end(data)}")
        try:
            # Another control plane may have taken the port since it was found free.
            ready = _listens(plane) and httpx.get(f"{plane.url}/readyz", timeout=5.0).is_success
        except httpx.TransportError:
            ready = False
        if ready and (data / "clouds.yaml").is_file():
            return
        time.sleep(POLL_SECONDS)
    raise Stop(
        Exit.FAILED,
        f"The control plane was not ready after {READY_SECONDS:.0f} s.\n{log_end(data)}",
        remedy=f"Its log: {data / 'mantle.log'}",
    )


def _listens(plane: Plane) -> bool:
    """That very process, and no other, has the port."""
    import psutil  # noqa: PLC0415

    try:
        sockets = psutil.Process(plane.pid).net_connections(kind="tcp")
    except psutil.Error:
        return False
    return any(one.status == psutil.CONN_LISTEN and one.laddr.port == plane.port for one in sockets)


def log_end(data: Path) -> str:
    """The last lines of the log, indented."""
    try:
        lines = (data / "mantle.log").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "  (it wrote no log)"
    return "\n".join(f"  | {line}" for line in lines[-LOG_LINES:])


def stop_plane(plane: Plane, data: Path) -> None:
    """Ask it to end, and insist when it does not."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not is_running(plane):
            break
        os.kill(plane.pid, sign)
        end = time.monotonic() + STOP_SECONDS
        while is_running(plane) and time.monotonic() < end:
            _reap(plane)
            time.sleep(POLL_SECONDS)
    (data / "plane.json").unlink(missing_ok=True)


def _reap(plane: Plane) -> None:
    """Collect the process's end if it is our own child; `demo` may be another process by now."""
    try:
        os.waitpid(plane.pid, os.WNOHANG)
    except ChildProcessError:
        return


def left_behind(data: Path) -> list[str]:
    """Processes that still name this data folder, as `pid command`."""
    import psutil  # noqa: PLC0415

    folder = str(data)
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    left = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = process.info["cmdline"] or []
        if process.info["pid"] not in own and any(folder in word for word in words):
            left.append(f"{process.info['pid']} {' '.join(words)[:100]}")
    return left
