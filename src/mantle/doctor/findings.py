"""What a check says, and how it is shown."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """Works, and will not under some circumstance that is named."""
    FAIL = "fail"
    """Something does not work, or work is being lost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one check found."""

    check: str
    level: Level
    what: str
    why: str = ""
    """Why it matters."""
    remedy: str = ""


def ok(check: str, what: str) -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.OK, what=what)


def warn(check: str, what: str, why: str, remedy: str) -> Finding:
    """It will go wrong."""
    return Finding(check=check, level=Level.WARN, what=what, why=why, remedy=remedy)


def fail(check: str, what: str, why: str, remedy: str) -> Finding:
    """It is wrong."""
    return Finding(check=check, level=Level.FAIL, what=what, why=why, remedy=remedy)


def document(findings: Iterable[Finding]) -> dict[str, Any]:
    """For programs."""
    found = list(findings)
    return {
        "level": worst(found).value,
        "findings": [{**asdict(each), "level": each.level.value} for each in found],
    }


def worst(findings: Iterable[Finding]) -> Level:
    """Of all."""
    levels = {each.level for each in findings}
    return next((level for level in (Level.FAIL, Level.WARN) if level in levels), Level.OK)


def lines(findings: Iterable[Finding]) -> Iterator[str]:
    """For people: one line for what is well, the whole story for what is not."""
    for each in findings:
        yield f"{each.level.value:4}  {each.check}: {each.what}"
        if each.level is not Level.OK:
            yield f"      why: {each.why}"
            yield f"      do:  {each.remedy}"
