"""What /proc says about processes, read carefully.

A pid alone names nothing for long, because numbers are used again. A process is known by its pid
and its start time, and nothing is ever signalled whose start time is not the one recorded.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
MARK = "MANTLE_SERVER_ID"
"""In the environment of every process of a server: the last resort to find one that got away."""


@dataclass(frozen=True, slots=True)
class Process:
    """A process, named so that it cannot be mistaken for a later one."""

    pid: int
    start_time: int
    """Clock ticks since the machine booted, from /proc/PID/stat."""


def start_time_of(pid: int) -> int | None:
    """When it started, or None when it is gone or only waits to be reaped."""
    fields = stat_fields(pid)
    return None if fields is None or fields[0] in "ZX" else int(fields[19])


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the third (state) on; the second may hold anything."""
    try:
        text = (PROC / str(pid) / "stat").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rpartition(")")[2].split()


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    return start_time_of(process.pid) == process.start_time


def send(process: Process, number: int) -> bool:
    """Signal it if it is still itself; answers whether it was.

    The handle (pidfd) is taken before the start time is compared, so the number cannot pass to
    another process between the look and the deed.
    """
    try:
        handle = os.pidfd_open(process.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if not is_alive(process):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_gone(process: Process, timeout_seconds: float) -> bool:
    """Wait until it has ended; False when it has not in time."""
    deadline = time.monotonic() + timeout_seconds
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def all_pids() -> list[int]:
    """Every process of this machine that may be seen."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]  # noqa: PTH208 - names only


def tree_below(pid: int) -> list[int]:
    """Every descendant of a process, parents first."""
    children: dict[int, list[int]] = {}
    for one in all_pids():
        fields = stat_fields(one)
        if fields is not None and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(one)
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def marked(server_id: str) -> list[int]:
    """Processes that carry a server's mark in their environment."""
    wanted = f"{MARK}={server_id}".encode()
    found = []
    for pid in all_pids():
        try:
            environment = (PROC / str(pid) / "environ").read_bytes()
        except OSError:
            continue  # another user's, or gone: neither is one of ours
        if wanted in environment.split(b"\0") and start_time_of(pid) is not None:
            found.append(pid)
    return found


def sweep(server_id: str, timeout_seconds: float = 5.0) -> bool:
    """Kill whatever still carries the mark; False if something would not die.

    All are stopped before any is killed, so that a bomb cannot fork faster than it is swept.
    """
    deadline = time.monotonic() + timeout_seconds
    while pids := marked(server_id):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    continue
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def machine_boot_id() -> str:
    """Changes when the machine restarts: what was running before it is gone."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()
