"""Findings as text with excerpts, JSON, SARIF 2.1.0 and GitHub's workflow commands."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mantle.model.errors import dotted
from mantle.template.lint.rule import Severity, Warned
from mantle.template.lint.rules import RULES

_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"


def fails(found: Sequence[Warned]) -> bool:
    """Whether anything but notes was found."""
    return any(one.severity is not Severity.NOTE for one in found)


def as_data(found: Warned) -> dict[str, Any]:
    """One finding as JSON data."""
    return {
        "file": found.file,
        "line": found.line,
        "column": found.column,
        "path": dotted(found.path),
        "rule": found.rule,
        "name": found.name,
        "severity": found.severity.value,
        "message": found.message,
        "fix": found.fix,
        "fixable": found.fixable,
    }


def as_text(found: Sequence[Warned], texts: Mapping[str, str]) -> str:
    """As compilers print theirs: place, what, the line with a caret, what to do."""
    lines: list[str] = []
    split = {name: text.splitlines() for name, text in texts.items()}
    for one in found:
        lines += _told(one, split.get(one.file, []))
    lines.append(_summary(found, len(texts)))
    return "\n".join(lines)


def _told(one: Warned, source: Sequence[str]) -> Iterator[str]:
    place = f"{one.file}:{one.line}:{one.column}"
    yield f"{place}: {one.severity}: {one.message} [{one.rule} {one.name}]"
    if 1 <= one.line <= len(source):
        number = str(one.line)
        yield f"  {number} | {source[one.line - 1].expandtabs(1)}"
        yield f"  {'':<{len(number)}} | {'':<{one.column - 1}}^"
    if one.fix:
        yield f"  {one.fix}"
    yield ""


def _summary(found: Sequence[Warned], files: int) -> str:
    where = f"{files} file{'' if files == 1 else 's'}"
    if not found:
        return f"{where}: nothing to warn of."
    counts = ", ".join(
        f"{number} {severity}{'' if number == 1 else 's'}"
        for severity in Severity
        if (number := sum(one.severity is severity for one in found))
    )
    fixable = sum(one.fixable for one in found)
    return f"{where}: {counts}" + (f"; --fix repairs {fixable}." if fixable else ".")


def as_json(found: Sequence[Warned]) -> str:
    """A list of findings."""
    return json.dumps([as_data(one) for one in found], indent=2, ensure_ascii=False)


def as_github(found: Sequence[Warned]) -> str:
    """Annotations of a workflow run."""
    level = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    return "\n".join(
        f"::{level[one.severity]} file={_escaped(one.file, ':,')},line={one.line},"
        f"col={one.column},title={one.rule} {one.name}::{_escaped(f'{one.message} {one.fix}')}"
        for one in found
    )


def _escaped(text: str, more: str = "") -> str:
    for sign in ("%", "\r", "\n", *more):
        text = text.replace(sign, f"%{ord(sign):02X}")
    return text


def as_sarif(found: Sequence[Warned], version: str) -> str:
    """For code scanning."""
    rules = [
        {
            "id": rule.id,
            "name": rule.name,
            "shortDescription": {"text": rule.title},
            "fullDescription": {"text": rule.why},
            "help": {"text": rule.fix},
            "defaultConfiguration": {"level": rule.severity.value},
        }
        for rule in RULES
    ]
    results = [
        {
            "ruleId": one.rule,
            "level": one.severity.value,
            "message": {"text": f"{one.message} {one.fix}".strip()},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": one.file},
                        "region": {"startLine": one.line, "startColumn": one.column},
                    }
                }
            ],
        }
        for one in found
    ]
    driver = {"name": "mantle template lint", "version": version, "rules": rules}
    run = {"tool": {"driver": driver}, "results": results}
    return json.dumps({"$schema": _SARIF, "version": "2.1.0", "runs": [run]}, indent=2)
