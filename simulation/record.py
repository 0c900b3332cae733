"""`python -m simulation.record FILE…`: what a record of runs comes to, as tables for the page.

A record is what `make simulate … ARGS="--record FILE"` appends to: one line of JSON for each
few seeds. With `--page` the tables replace what stands between the page's two marks.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"

SECONDS_OF_AN_HOUR = 3600.0


def parts_of(lines: Iterable[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Lines of a record by the commit that was run, in the order they were written."""
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for line in lines:
        if line.strip():
            part = json.loads(line)
            parts.setdefault(str(part.get("commit", "?")), []).append(part)
    return parts


def seeds_of(parts: Sequence[Mapping[str, Any]]) -> str:
    """`3,000,000 to 3,000,199, …`, without overlaps; what follows on is one range."""
    ranges: list[list[int]] = []
    for first, end in sorted((part["first"], part["end"]) for part in parts):
        if ranges and first <= ranges[-1][1]:
            ranges[-1][1] = max(end, ranges[-1][1])
        else:
            ranges.append([first, end])
    return "; ".join(f"{first:,} to {end - 1:,}" for first, end in ranges)


def tables(parts: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Both, as Markdown."""
    everything = [part for group in parts.values() for part in group]
    rows = [_row(commit, seeds_of(group), group) for commit, group in parts.items()]
    if len(parts) > 1:
        rows.append(_row("all", "", everything))
    counted = Counter[str]()
    for part in everything:
        counted.update({f"crash {where}": many for where, many in part["crashes"].items()})
        others = {kind: many for kind, many in part["faults"].items() if kind != "crash"}
        counted.update(others)
    return "\n".join(
        [
            "| commit | seeds | runs | operations | crash points | other faults | failed | CPU |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "| fault | how many |",
            "|---|---|",
            *(f"| {kind} | {many:,} |" for kind, many in sorted(counted.items())),
        ]
    )


def _row(commit: str, seeds: str, parts: Sequence[Mapping[str, Any]]) -> str:
    total = Counter[str]()
    seconds = 0.0
    failed: list[int] = []
    for part in parts:
        total.update({name: part.get(name, 0) for name in ("runs", "operations", "crash_points")})
        total["others"] += sum(part["faults"].values()) - part["faults"].get("crash", 0)
        seconds += part["cpu_seconds"]
        failed += part["failed"]
    said = ", ".join(f"{seed:,}" for seed in failed) or "0"
    return (
        f"| {commit} | {seeds} | {total['runs']:,} | {total['operations']:,} "
        f"| {total['crash_points']:,} | {total['others']:,} | {said} "
        f"| {seconds / SECONDS_OF_AN_HOUR:.2f} h |"
    )


def placed(page: str, text: str) -> str:
    """The page with this between its marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def main(arguments: list[str] | None = None) -> int:
    """0; the tables are printed, or written to the page."""
    parser = argparse.ArgumentParser(prog="python -m simulation.record", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, help="records")
    parser.add_argument("--page", type=Path, help="write them there, such as docs/reliability.md")
    options = parser.parse_args(arguments)
    text = tables(
        parts_of(line for file in options.files for line in file.read_text("utf-8").splitlines())
    )
    if options.page is None:
        print(text)
    else:
        options.page.write_text(placed(options.page.read_text("utf-8"), text), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
