"""What can be wrong, said so that a person can act on it.

A `Problem` is one finding in something a user wrote; a template's problems are collected and
reported together. A `MantleError` is a refusal that ends a request. Each carries Heat's name for
the fault (`fault`), because Heat's clients and tests compare it; `api/faults.py` is the one table
from fault to HTTP status.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Where in a document: keys and list positions from its top."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a text file, counted from 1 as editors do."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in a template, environment or parameter, with its place and its remedy."""

    code: str
    """A stable name in kebab-case, such as `unknown-property`."""
    message: str
    path: Path = ()
    mark: Mark | None = None
    """None when the document came as JSON data, which has no lines."""
    remedy: str = ""
    fault: str = "StackValidationFailed"

    @property
    def where(self) -> str:
        """The dotted path, as Heat prints it: `resources.web.properties.flavor`."""
        return dotted(self.path)

    def __str__(self) -> str:
        place = " ".join(part for part in (str(self.mark or ""), self.where) if part)
        text = f"{place}: {self.message}" if place else self.message
        return f"{text} {self.remedy}".rstrip()


def dotted(path: Path) -> str:
    """`("resources", "a", "properties", 0)` as `resources.a.properties[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text


class MantleError(Exception):
    """A request was refused. `str()` is what the caller is shown: what, where, why, remedy."""

    fault = "HTTPBadRequest"

    def __init__(self, message: str, *, remedy: str = "", fault: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        if fault is not None:
            self.fault = fault

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".rstrip()


class Invalid(MantleError):
    """What the user wrote has problems; all of them are in `problems`."""

    fault = "StackValidationFailed"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems: Sequence[Problem] = tuple(problems)
        first = self.problems[0]
        super().__init__("\n".join(str(problem) for problem in self.problems), fault=first.fault)


class Denied(Invalid):
    """Policy rules refuse it; each denial is a problem that names its rule."""

    fault = "PolicyDenied"


class NotFound(MantleError):
    """No such thing in this project (a foreign one is equally absent)."""

    fault = "EntityNotFound"


class Conflict(MantleError):
    """The present state does not allow it: a name is taken, an action is under way."""

    fault = "ActionInProgress"


class NotSupported(MantleError):
    """The request is well formed but this object, cloud or state does not offer it."""

    fault = "NotSupported"


class Forbidden(MantleError):
    """The caller is known and may not do this."""

    fault = "Forbidden"


class Unauthorized(MantleError):
    """The caller is not known: the token is missing, wrong or expired."""

    fault = "Unauthorized"


class LimitExceeded(MantleError):
    """The request would pass a limit; the message names the limit and who can raise it."""

    fault = "RequestLimitExceeded"


class Unavailable(MantleError):
    """Something that Mantle needs itself does not answer; nothing was done."""

    fault = "ServiceUnavailable"


class Undecided(Unavailable):
    """It went away in the midst: what was asked was done, or not, or half.

    A status of its own (504), as what stands between may repeat a request after a 503.
    """

    fault = "OutcomeUnknown"


class Busy(Unavailable):
    """There is too much to do already; the same request will be well after a while."""

    retry_after_seconds = 5


@dataclass(slots=True)
class Findings:
    """Collects problems while a document is walked, then raises them all at once."""

    problems: list[Problem] = field(default_factory=list)

    def add(
        self,
        code: str,
        message: str,
        path: Path = (),
        *,
        mark: Mark | None = None,
        remedy: str = "",
        fault: str = "StackValidationFailed",
    ) -> None:
        """Record one problem."""
        self.problems.append(
            Problem(code=code, message=message, path=path, mark=mark, remedy=remedy, fault=fault)
        )

    def raise_if_any(self) -> None:
        """Raise `Invalid` with everything found so far; do nothing when all is well."""
        if self.problems:
            raise Invalid(self.problems)
