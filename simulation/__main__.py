"""`make simulate SEEDS=…`: runs seeds, counts what they were put through, explains what fails."""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from simulation.run import Report, apart, simulate
from simulation.shrink import as_test, shrunk
from simulation.weak import WEAKNESSES

BATCH = 20
"""Seeds that are recorded together: what was run before an interruption counts."""

CHUNK = 10
"""Seeds that share a system process: what a run leaves in memory is dropped with it."""


def seeds_of(text: str) -> range:
    """`7`, `7:20` (without the 20), or `:20`."""
    first, colon, end = text.partition(":")
    start = int(first or 0)
    return range(start, int(end) if colon else start + 1)


def ran(seeds: range, weakness: str | None) -> list[Report]:
    """These, one after the other, in a process of their own."""
    doors = None if weakness is None else WEAKNESSES[weakness]
    return apart(lambda: [simulate(seed, doors=doors) for seed in seeds])


class Tally:
    """What all runs together came to."""

    def __init__(self) -> None:
        self.crashes: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.numbers: Counter[str] = Counter()
        self.failed: list[int] = []
        self.seconds = 0.0

    def add(self, report: Report) -> None:
        """One more."""
        self.crashes.update(report.crashes)
        self.faults.update(report.struck)
        self.numbers.update(
            runs=1,
            operations=report.operations,
            boundaries=report.boundaries,
            commits=report.commits,
            virtual_seconds=int(report.virtual_seconds),
        )
        self.seconds += report.cpu_seconds
        if report.wrongs:
            self.failed.append(report.schedule.seed)

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "crash_points": self.crashes.total(),
            "crashes": dict(sorted(self.crashes.items())),
            "faults": dict(sorted(self.faults.items())),
            **self.numbers,
            "cpu_seconds": round(self.seconds, 1),
            "failed": self.failed,
        }


def explained(report: Report, *, small: bool) -> None:
    """What went wrong, and a test that shows it."""
    print(f"seed {report.schedule.seed} (trace {report.trace}):")
    for wrong in report.wrongs[:10]:
        print(f"  {wrong}")
    if small:
        print(f"\n{as_test(shrunk(report))}")
    else:
        print(f"  again: make simulate SEEDS={report.schedule.seed}")


def main(arguments: list[str] | None = None) -> int:
    """1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="make simulate", description=__doc__)
    parser.add_argument("--seeds", type=seeds_of, default=seeds_of(":100"), metavar="FIRST:END")
    parser.add_argument("--until", type=int, default=0, help="stop at so many crash points")
    parser.add_argument("--record", type=Path, help=f"append a line for each {BATCH} seeds")
    parser.add_argument("--weak", choices=sorted(WEAKNESSES), help="break this promise on purpose")
    parser.add_argument("--trace", action="store_true", help="print what happens, of one seed")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    options = parser.parse_args(arguments)
    if options.trace:
        seed = options.seeds[0]
        print("\n".join(apart(lambda: simulate(seed, traced=True)).lines))
        return 0
    whole = Tally()
    commit = _commit() if options.record is not None else ""
    for start in range(options.seeds.start, options.seeds.stop, BATCH):
        batch = range(start, min(start + BATCH, options.seeds.stop))
        part = _ran(batch, whole, options)
        if options.record is not None:
            kept = {"first": batch.start, "end": batch.stop, "commit": commit}
            kept |= part.document()
            with options.record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(kept) + "\n")
        if options.until and whole.crashes.total() >= options.until:
            break
    print(json.dumps(whole.document(), indent=2))
    return 1 if whole.failed else 0


def _commit() -> str:
    """What is run here, as the record names it; `?` when nobody can tell."""
    asked = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        told = subprocess.run(
            asked, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
        )
    except OSError:
        return "?"
    return told.stdout.strip() or "?"


def _ran(seeds: range, whole: Tally, options: argparse.Namespace) -> Tally:
    part = Tally()
    began = time.monotonic()
    for start in range(seeds.start, seeds.stop, CHUNK):
        for report in ran(range(start, min(start + CHUNK, seeds.stop)), options.weak):
            whole.add(report)
            part.add(report)
            if report.wrongs:
                explained(report, small=len(whole.failed) <= 2 and options.weak is None)
    if not options.quiet:
        rate = part.crashes.total() / max(0.001, time.monotonic() - began)
        print(
            f"seeds {seeds.start} to {seeds.stop - 1}: {part.crashes.total()} crash points "
            f"({rate:.0f}/s), {len(part.failed)} failed; {whole.crashes.total()} in all",
            flush=True,
        )
    return part


if __name__ == "__main__":
    sys.exit(main())
