"""Write docs/reference/cli.md from what `mantle --help` says. `make docs` runs it."""

import contextlib
import io
import os
import sys
from pathlib import Path

from mantle.__main__ import build
from mantle.cli.app import run

PLACE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "cli.md"
COMMANDS = (
    (),
    ("up",),
    ("api",),
    ("engine",),
    ("keeper",),
    ("migrate",),
    *(("backup", verb) for verb in ("create", "list", "verify", "restore")),
    ("config", "show"),
    *(("keys", verb) for verb in ("new", "list", "rotate")),
    ("demo",),
    ("login",),
    *(
        ("stack", verb)
        for verb in (
            "plan",
            "create",
            "update",
            "delete",
            "cancel",
            "list",
            "show",
            "events",
            "resources",
            "outputs",
            "signal",
            "signals",
            "move",
            "split",
            "rename",
            "rename-resource",
        )
    ),
    *(("move", verb) for verb in ("list", "show", "apply", "delete")),
    *(("drift", verb) for verb in ("list", "show", "check", "policy", "accept", "correct")),
    *(("operation", verb) for verb in ("list", "explain", "retry", "skip", "take-over", "cancel")),
    ("cloud", "list"),
    ("cloud", "show"),
    ("cloud", "unmanaged"),
    ("cloud", "adopt"),
    *(("project", verb) for verb in ("limits", "set-limit", "unset-limit")),
    ("admin", "purge"),
    *(("reconcile", verb) for verb in ("plan", "apply")),
    *(("server", verb) for verb in ("list", "power", "resize", "migrate")),
    *(("sweep", verb) for verb in ("list", "show", "apply", "cancel")),
    *(("host", verb) for verb in ("list", "servers", "services", "disable", "enable")),
    *(("template", verb) for verb in ("lint", "fmt", "show", "convert")),
)
HEADING = """# The command line

Made from `--help` by `make docs`. Progress and answers go to standard output, refusals to standard
error. On a terminal there is colour and a live tree; in a pipe, plain lines; with `--json`, one
document. What the exit codes mean: [errors.md](errors.md).
"""


def main() -> int:
    os.environ["COLUMNS"] = "92"
    PLACE.write_text(text(), encoding="utf-8")
    return 0


def text() -> str:
    return HEADING + "".join(section(command) for command in COMMANDS)


def section(command: tuple[str, ...]) -> str:
    app = build()
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        run(app, [*command, "--help"])
    lines = "\n".join(line.rstrip() for line in captured.getvalue().strip().splitlines())
    return f"\n## {' '.join(('mantle', *command))}\n\n```\n{lines}\n```\n"


if __name__ == "__main__":
    sys.exit(main())
