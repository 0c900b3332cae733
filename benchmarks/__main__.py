"""`python -m benchmarks [CASE …]`: runs each case in a process of its own and prints a table.

Without a case it runs all and writes docs/benchmarks.md.
"""

import asyncio
import datetime as dt
import json
import logging
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import structlog

from benchmarks.cases import CASES

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"

HEAD = """# Benchmarks

`make bench` made this page: {when}, Python {python}, {cores} cores, SQLite on disk (WAL,
`synchronous=FULL`: every commit is flushed), the simulated cloud, no HTTP in between. Each case ran
in a process of its own; the peak is that process's. From the request (parsing, validation and the
plan included) to the end of the operation.

**The floor** is measured in the same run: the same rows (an insert, an update and two events for
each resource), the same tables and pragmas, written by a bare loop of group commits straight
through `sqlite3`. Operations are performed as plain tasks: what DBOS adds (some ten milliseconds
for each operation, none for a resource) is not in these figures. These machines are noisy: trust
the ratios and the CPU time, not the seconds.

| what | resources/s | CPU ms per resource | peak MB | floor resources/s | of the floor |
|---|---|---|---|---|---|
"""

FOOT = """
Aims: at least half of the floor (**not reached**: see the last column; what is above the floor is
parsing, planning, resolving and SQLAlchemy, spread evenly); 20,000 resources under 500 MB
(reached); time per resource flat from 1,000 to 20,000 (reached); one change in 10,000 resources
planned in under a second (reached); a sweep for drift takes one list call for each type.

For scale, Heat 27.0.1 on a machine of this kind: creating 100 resources takes 110 s (it sleeps a
second per leaf; 20 s and 0.2 CPU s each with that sleep patched out), an update of 100 that changes
nothing 118 s, deleting them 139 s, validating 500 resources 1.7 s.
"""


def main(names: list[str]) -> int:
    """Run the named cases, or all."""
    if names[:1] == ["--one"]:
        return _one(names[1])
    lines = []
    for name in names or CASES:
        if name not in CASES:
            print(f"There is no case {name!r}; there are: {', '.join(CASES)}.", file=sys.stderr)
            return 2
        run = subprocess.run(
            [sys.executable, "-m", "benchmarks", "--one", name],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            print(run.stderr, file=sys.stderr)
            return 1
        answer = json.loads(run.stdout)
        for row in answer["rows"]:
            lines.append(_line(*row, answer["peak_mb"]))
            print(lines[-1], flush=True)
    if not names:
        when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
        head = HEAD.format(when=when, python=platform.python_version(), cores=os.cpu_count())
        PAGE.write_text(head + "\n".join(lines) + "\n" + FOOT, encoding="utf-8")
    return 0


def _one(name: str) -> int:
    logging.disable()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    rows = asyncio.run(CASES[name]())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": rows, "peak_mb": peak}))
    return 0


def _line(what: str, count: int, wall: float, cpu: float, floor: float | None, peak: float) -> str:
    limit = share = ""
    if floor is not None:
        limit = f"{count / floor:,.0f}"
        share = f"{floor / wall:.0%}"
    speed = f"{count / wall:,.0f}"
    return f"| {what} | {speed} | {cpu / count * 1000:.2f} | {peak:.0f} | {limit} | {share} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
