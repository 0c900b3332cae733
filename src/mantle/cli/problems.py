"""A refusal as a person should see it: the place, the line itself with a caret, and the remedy."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mantle.cli.exits import Exit, Problem, Stop


def stop_lines(stop: Stop) -> list[str]:
    """Everything to print for a refusal."""
    if not stop.problems:
        chosen = stop.code in {Exit.DECLINED, Exit.INTERRUPTED}  # by the person, so no error
        lines = [stop.message if chosen else f"error: {stop.message}"]
        return [*lines, f"  {stop.remedy}"] if stop.remedy else lines
    count = len(stop.problems)
    lines = [line for problem in stop.problems for line in problem_lines(problem, stop.places)]
    return [*lines, f"{count} problem{'s' if count > 1 else ''}; nothing was changed."]


def problem_lines(problem: Problem, places: Mapping[str, Path]) -> Iterator[str]:
    """One finding, as compilers print theirs."""
    place = places.get(problem.file) if problem.file else None
    name = str(place or problem.file or "")
    where = name
    if name and problem.line:
        where = f"{name}:{problem.line}" + (f":{problem.column}" if problem.column else "")
    yield f"{where}: error: {problem.message}" if where else f"error: {problem.message}"
    if problem.path:
        yield f"  at {problem.path}"
    yield from excerpt(place, problem)
    if problem.remedy:
        yield f"  {problem.remedy}"
    yield ""


def excerpt(place: Path | None, problem: Problem) -> Iterator[str]:
    """The line the finding is about, with a caret under its column."""
    if place is None or not problem.line:
        return
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    if not 1 <= problem.line <= len(lines):
        return
    number = str(problem.line)
    text = lines[problem.line - 1]
    yield f"  {number} | {text.expandtabs(1)}"
    if problem.column:
        yield f"  {'':<{len(number)}} | {'':<{problem.column - 1}}^"


def stop_json(stop: Stop) -> dict[str, Any]:
    """The same for programs."""
    return {
        "error": {
            "exit_code": int(stop.code),
            "type": stop.kind or stop.code.name.lower(),
            "message": stop.message,
            "remedy": stop.remedy,
            "problems": [
                {
                    "code": problem.code,
                    "message": problem.message,
                    "path": problem.path,
                    "file": problem.file,
                    "line": problem.line,
                    "column": problem.column,
                    "remedy": problem.remedy,
                }
                for problem in stop.problems
            ],
        }
    }
