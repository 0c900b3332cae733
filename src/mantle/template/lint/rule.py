"""What a rule is and what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from mantle.model.errors import Path
from mantle.template.lint.view import View


class Severity(StrEnum):
    """How much a finding matters. Notes are shown and do not fail a lint."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Found:
    """One place where a rule applies."""

    path: Path
    message: str
    fix: str = ""
    """Overrides the rule's own advice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing to warn of."""

    id: str
    name: str
    title: str
    why: str
    fix: str
    check: Callable[[View], Iterator[Found]]
    severity: Severity = Severity.WARNING
    fixable: bool = False
    """`--fix` can repair it without changing what the template means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warned:
    """A finding with its place in a file, lines and columns counted from 1."""

    rule: str
    name: str
    severity: Severity
    message: str
    fix: str
    path: Path
    file: str
    line: int
    column: int
    fixable: bool = False
