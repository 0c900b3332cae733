"""A program that outlives the control plane and is found again: started, signalled, ended.

Its pid and start time are on disk. Should the control plane die between starting it and writing
that down, the mark in its environment finds it, and it is ended before another is started.
"""

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import msgspec

from mantle.clouds.local import processes
from mantle.clouds.local.processes import Process
from mantle.clouds.local.shelf import write_whole
from mantle.clouds.ports import Unavailable

END_TIMEOUT_SECONDS = 5.0
START_TIMEOUT_SECONDS = 20
LOG_TAIL_BYTES = 2000
BACKGROUND = '"$@" >>output.log 2>&1 </dev/null & echo $!'
"""The shell leaves at once, so the program is nobody's child here and never a zombie of ours."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """One program in one folder."""

    mark: str
    folder: Path

    def process(self) -> Process | None:
        """It, if it is alive."""
        try:
            content = (self.folder / "pid.json").read_bytes()
        except FileNotFoundError:
            return None
        process = msgspec.json.decode(content, type=Process)
        return process if processes.is_alive(process) else None

    def start(self, command: list[str], **environment: str) -> None:
        """Start it; whoever carries its mark already is a stray of a start cut short."""
        processes.sweep(self.mark)
        (self.folder / "output.log").unlink(missing_ok=True)
        done = subprocess.run(  # noqa: S603 - the shell gets our fixed text; the rest are arguments
            ["/bin/sh", "-c", BACKGROUND, "sh", *command],
            cwd=self.folder,
            env={**os.environ, processes.MARK: self.mark, **environment},
            start_new_session=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=START_TIMEOUT_SECONDS,
            check=True,
        )
        pid = int(done.stdout)
        start_time = processes.start_time_of(pid)
        if start_time is None:
            raise Unavailable(f"{Path(command[0]).name} ended at once: {self.log()}")
        write_whole(self.folder / "pid.json", msgspec.json.encode(Process(pid, start_time)))

    def signal(self, number: int) -> None:
        """Signal it, if it is alive."""
        process = self.process()
        if process is not None:
            processes.send(process, number)

    def end(self, number: int) -> None:
        """Ask it to end, then see that it has, and whatever it started too."""
        process = self.process()
        if process is not None:
            processes.send(process, number)
            if not processes.wait_gone(process, END_TIMEOUT_SECONDS):
                processes.send(process, signal.SIGKILL)
        if (self.folder / "pid.json").exists() or self.folder.exists():
            processes.sweep(self.mark)
            (self.folder / "pid.json").unlink(missing_ok=True)

    def log(self) -> str:
        """The end of what it printed."""
        try:
            return (
                (self.folder / "output.log").read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
            )
        except FileNotFoundError:
            return ""
