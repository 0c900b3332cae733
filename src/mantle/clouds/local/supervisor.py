"""Looks after one server's processes; outlives the control plane. Standard library only.

Run as `python -I -S supervisor.py RUN_FOLDER`. The run folder holds `launch.json` (written by the
control plane: what to start) and receives `pid.json` (who I am), `status.json` (how it goes) and
`console.log`. It detaches, takes every descendant as its own (PR_SET_CHILD_SUBREAPER), starts the
boot, pumps the console with a size cap, watches memory and process count, and on SIGTERM (with
grace) or SIGUSR1 (at once) ends every descendant and itself.

Two of it cannot run for one server: the second finds `lock` held and leaves. One that starts after
its server was deleted finds no `launch.json` and leaves.
"""

import ctypes
import fcntl
import json
import os
import resource
import select
import signal
import sys
import time

CONSOLE_LIMIT_BYTES = 1_000_000
"""One file's size; the one before it is kept, so at least this much is always there."""
LOOK_EVERY_SECONDS = 1.0
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
BOOT_PIPE = 3
"""The boot writes `<part> <exit code>` lines here."""


def write_json(name: str, value: dict[str, object]) -> None:
    """Whole or not at all; a reader never sees half a status."""
    with open(name + ".part", "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs 10 ms
        json.dump(value, file)
    os.replace(name + ".part", name)  # noqa: PTH105


def stat_fields(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def descendants() -> list[int]:
    """Everything below this process: orphans too, as they come to it."""
    found: list[int] = []
    todo = [os.getpid()]
    try:
        while todo:
            pid = todo.pop()
            for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
                with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:  # noqa: PTH123
                    below = [int(text) for text in file.read().split()]
                found += below
                todo += below
    except OSError:
        return descendants_by_scan()
    return [pid for pid in found if (stat_fields(pid) or "Z")[0] not in "ZX"]


def descendants_by_scan() -> list[int]:
    """The same without /proc/PID/task/*/children, or when a process ended while we looked."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        fields = stat_fields(int(name)) if name.isdigit() else []
        if fields and fields[0] not in "ZX":
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = [os.getpid()]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def memory_bytes(pid: int) -> int:
    """What it holds in memory, shared pages divided among their holders."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return resident_bytes(pid)


def resident_bytes(pid: int) -> int:
    """What it holds in memory, shared pages counted whole: cheap, and never too little."""
    fields = stat_fields(pid)
    return int(fields[21]) * resource.getpagesize() if fields else 0


def signal_all(number: int) -> int:
    """Signal every descendant; answers how many there were."""
    pids = descendants()
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
    return len(pids)


def end_all(grace_seconds: float) -> None:
    """End every descendant: asked first, then frozen (so that none can fork on) and killed."""
    deadline = time.monotonic() + grace_seconds
    if grace_seconds and signal_all(signal.SIGTERM):
        signal_all(signal.SIGCONT)
        while time.monotonic() < deadline and descendants():
            reap()
            time.sleep(0.02)
    while signal_all(signal.SIGSTOP):
        signal_all(signal.SIGKILL)
        reap()
        time.sleep(0.002)
    reap()


def reap() -> dict[int, int]:
    """Collect the ended children; answers their wait statuses."""
    ended: dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended[pid] = status


class Console:
    """The console log, kept below twice the cap by turning it over."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.open()

    def open(self) -> None:
        """Append to what is there."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.descriptor = os.open(self.path, flags, 0o600)
        self.size = os.fstat(self.descriptor).st_size

    def write(self, data: bytes) -> None:
        """Add to it."""
        os.write(self.descriptor, data)
        self.size += len(data)
        if self.size > CONSOLE_LIMIT_BYTES:
            os.close(self.descriptor)
            os.replace(self.path, self.path + ".1")  # noqa: PTH105
            self.open()


def start(launch: dict[str, object], output: int, boot_pipe: int) -> int:
    """Start the boot in a session of its own; answers its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in (
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGUSR1,
            signal.SIGPIPE,
        ):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # Both ends were moved above 9 before, so the order of these copies cannot matter.
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(boot_pipe, BOOT_PIPE)
        os.closerange(BOOT_PIPE + 1, 256)
        limit = int(str(launch["open_files"]))
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        os.nice(int(str(launch["nice"])))
        os.umask(0o022)
        os.chdir(str(launch["folder"]))
        command = launch["command"]
        environment = launch["environment"]
        assert isinstance(command, list)
        assert isinstance(environment, dict)
        os.execve(command[0], command, environment)  # noqa: S606
    except OSError as problem:
        os.write(2, f"mantle: cannot start the server: {problem}\n".encode())
    os._exit(126)


def pipe_above() -> tuple[int, int]:
    """A pipe whose ends are clear of the numbers the boot will use."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    os.set_blocking(high[0], False)
    return high[0], high[1]


def excess(launch: dict[str, object]) -> str:
    """Why the server must be ended: too much memory, too many processes; or nothing."""
    pids = descendants()
    limit = int(str(launch["processes"]))
    if len(pids) > limit:
        return f"it ran {len(pids)} processes, and its flavor allows {limit}"
    allowed = int(str(launch["memory_bytes"]))
    if sum(map(resident_bytes, pids)) > allowed:
        used = sum(map(memory_bytes, pids))
        if used > allowed:
            return f"it used {used >> 20} MiB of memory, and its flavor has {allowed >> 20} MiB"
    return ""


def supervise(launch: dict[str, object]) -> None:  # noqa: C901, PLR0912, PLR0915 - reads straight down
    """The life of one boot, from start to the end of the supervisor."""
    boot = launch["boot"]
    parts = int(str(launch["parts"]))
    timeout_seconds = float(str(launch["boot_timeout_seconds"]))
    foreground = bool(launch["foreground"])
    wake_out, wake_in = pipe_above()
    os.set_blocking(wake_in, False)
    asked: list[int] = []
    signal.set_wakeup_fd(wake_in, warn_on_full_buffer=False)
    for wanted in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(wanted, lambda got, _frame: asked.append(got))
    signal.signal(signal.SIGCHLD, lambda _got, _frame: None)
    output_out, output_in = pipe_above()
    boot_out, boot_in = pipe_above()
    console = Console("console.log")
    started = time.time()
    part = 1
    state: dict[str, object] = {"boot": boot, "phase": "booting", "part": 1, "since": started}
    write_json("status.json", state)
    child = start(launch, output_in, boot_in)
    os.close(output_in)
    os.close(boot_in)
    poller = select.poll()
    for descriptor in (wake_out, output_out, boot_out):
        poller.register(descriptor, select.POLLIN)
    next_look = time.monotonic() + LOOK_EVERY_SECONDS
    lines = b""

    def say(phase: str, **more: object) -> None:
        state.update(phase=phase, since=time.time(), **more)
        write_json("status.json", state)

    def drain() -> None:
        while data := read(output_out):
            console.write(data)

    exit_status: int | None = None
    while True:
        for descriptor, event in poller.poll(max(0, next_look - time.monotonic()) * 1000):
            data = read(descriptor)
            if descriptor == output_out and data:
                console.write(data)
            if descriptor == boot_out and data:
                lines += data
            if not data and event & select.POLLHUP:
                poller.unregister(descriptor)
        exit_status = reap().get(child, exit_status)
        if exit_status is not None:
            # It may have said how it went and ended between our reading and our reaping.
            lines += read(boot_out)
        *whole, lines = lines.split(b"\n")
        for line in whole:
            number, code = (int(text) for text in line.split())
            part = number + 1
            if code:
                end_all(0)
                drain()
                # A shell says 128 + n for a signal n.
                how = {"signal": code - 128} if 128 < code < 160 else {"exit_code": code}
                say("failed", part=number, **how)
            elif number == parts:
                say("booted", part=number, left=len(descendants()))
            else:
                say("booting", part=part)
        phase = state["phase"]
        silent = phase == "booting" or (phase == "booted" and launch["ends_with_boot"])
        if exit_status is not None and silent and not asked:
            # The boot's own process is gone without having said so: it was killed.
            end_all(0)
            drain()
            if os.WIFSIGNALED(exit_status):
                say("failed", part=part, signal=os.WTERMSIG(exit_status))
            else:
                say("failed", part=part, exit_code=os.WEXITSTATUS(exit_status))
        if asked:
            end_all(0 if signal.SIGUSR1 in asked else float(str(launch["grace_seconds"])))
            drain()
            if state["phase"] != "failed":
                say("stopped")
            return
        if time.monotonic() >= next_look:
            next_look = time.monotonic() + LOOK_EVERY_SECONDS
            why = excess(launch) if state["phase"] != "failed" else ""
            waiting = state["phase"] == "booting" and (part < parts or not foreground)
            if not why and waiting and time.time() - started > timeout_seconds:
                why = f"its boot had not finished after {timeout_seconds:g} s"
            if why:
                end_all(0)
                drain()
                say("failed", part=part, why=why)
        if state["phase"] == "failed":
            return


def read(descriptor: int) -> bytes:
    """What is there to read now."""
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def hold_lock() -> bool:
    """Be the only supervisor of this server; a predecessor that is just ending is waited for."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(200):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def main(folder: str) -> None:
    """Detach, and answer the caller by ending when the record of who I am is written."""
    os.chdir(folder)
    said_out, said_in = os.pipe()
    if os.fork():
        os.close(said_in)
        os.read(said_out, 1)
        os._exit(0)
    os.setsid()
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if not hold_lock():
        os._exit(0)
    try:
        with open("launch.json", encoding="utf-8") as file:  # noqa: PTH123
            launch = json.load(file)
    except FileNotFoundError:
        os._exit(0)
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123
        machine = file.read().strip()
    start_time = int(stat_fields(os.getpid())[19])
    me = {"pid": os.getpid(), "start_time": start_time, "boot": launch["boot"], "machine": machine}
    write_json("pid.json", me)
    os.write(said_in, b"1")
    os.close(said_in)
    os.close(said_out)
    supervise(launch)


if __name__ == "__main__":
    main(sys.argv[1])
