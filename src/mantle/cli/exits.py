"""How a command ends: exit codes scripts can rely on, and the refusals that lead to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any


class Exit(IntEnum):
    """What the exit code of `mantle` says. Documented in docs/reference/errors.md."""

    OK = 0
    FAILED = 1
    """The operation ran and ended badly; the stack says why."""
    USAGE = 2
    """The command line itself is wrong."""
    INVALID = 3
    """The template, environment or a parameter has problems, or the request is refused as such."""
    NOT_FOUND = 4
    REFUSED = 5
    """Not logged in, or not allowed."""
    CONFLICT = 6
    """A name is taken, or another action is under way."""
    UNREACHABLE = 7
    """Mantle does not answer."""
    SERVER = 8
    """Mantle answered with a fault of its own."""
    DECLINED = 9
    """The person said no to the plan."""
    INTERRUPTED = 130
    """Ctrl-C: watching ended. The operation goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding of the server in something the user wrote, as `/v2` tells it."""

    message: str
    code: str = ""
    path: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    remedy: str = ""


class Stop(Exception):
    """The command ends here. What, why and what to do, in words a person can act on."""

    def __init__(
        self,
        code: Exit,
        message: str,
        *,
        remedy: str = "",
        problems: Sequence[Problem] = (),
        kind: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.problems = tuple(problems)
        self.kind = kind
        """The server's name for the fault, if it came from there."""
        self.places: Mapping[str, Path] = {}
        """Where the files that the problems name were read on this machine."""


BY_STATUS: Mapping[int, Exit] = {
    401: Exit.REFUSED,
    403: Exit.REFUSED,
    404: Exit.NOT_FOUND,
    409: Exit.CONFLICT,
}


def exit_for(status: int) -> Exit:
    """The exit code for an HTTP status that is no success."""
    return BY_STATUS.get(status, Exit.SERVER if status >= 500 else Exit.INVALID)


def refusal(status: int, body: Any) -> Stop:
    """The server's error body as a `Stop`; understands Keystone's and Heat's shapes as well."""
    error = body.get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping):
        return Stop(exit_for(status), f"Mantle answered {status}, without saying why.")
    problems = error.get("problems") or ()
    return Stop(
        exit_for(status),
        str(error.get("message") or error.get("title") or f"Mantle answered {status}."),
        remedy=str(error.get("remedy") or ""),
        problems=[_problem(problem) for problem in problems],
        kind=str(error.get("type") or ""),
    )


def _problem(data: Mapping[str, Any]) -> Problem:
    return Problem(
        message=str(data.get("message") or ""),
        code=str(data.get("code") or ""),
        path=str(data.get("path") or ""),
        file=data.get("file"),
        line=data.get("line"),
        column=data.get("column"),
        remedy=str(data.get("remedy") or ""),
    )
