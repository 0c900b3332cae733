"""From text to warnings: rules applied, comments heard."""

import re
from collections.abc import Collection, Iterator

from mantle.model.errors import Findings, Invalid, Mark, Problem
from mantle.template.lint.rule import Found, Rule, Severity, Warned
from mantle.template.lint.rules import RULES, SYNTAX
from mantle.template.lint.view import View, view_of
from mantle.template.load import parse

IGNORE = re.compile(r"#\s*mantle:\s*ignore(?P<file>-file)?(?P<ids>[\s,]+MTL\d{3})+", re.ASCII)
_ID = re.compile(r"MTL\d{3}", re.ASCII)


def lint(
    text: str,
    file: str = "template",
    *,
    select: Collection[str] = (),
    ignore: Collection[str] = (),
) -> list[Warned]:
    """Every finding, in the order of lines. Ids in `select` and `ignore` may be beginnings."""
    findings = Findings()
    try:
        document = parse(text, file=file, collect=findings)
    except Invalid as error:
        return [_syntax(problem, file) for problem in error.problems]
    found = [_syntax(problem, file) for problem in findings.problems]
    view = view_of(document, text)
    if view is None:
        problem = Problem(
            code="template", message="This is no template.", mark=Mark(file, 1, 1),
            remedy="Begin it with `heat_template_version:`.",
        )  # fmt: skip
        return [*found, _syntax(problem, file)]
    silent = Silence(text)
    for rule in RULES:
        if _chosen(rule.id, select, ignore):
            found += [one for one in _apply(rule, view) if not silent.covers(one)]
    return sorted(found, key=lambda one: (one.line, one.column, one.rule))


def _chosen(rule: str, select: Collection[str], ignore: Collection[str]) -> bool:
    wanted = not select or any(rule.startswith(each) for each in select)
    return wanted and not any(rule.startswith(each) for each in ignore)


def _apply(rule: Rule, view: View) -> Iterator[Warned]:
    for found in rule.check(view):
        yield _warned(rule, view, found)


def _warned(rule: Rule, view: View, found: Found) -> Warned:
    mark = view.mark(found.path)
    return Warned(
        rule=rule.id,
        name=rule.name,
        severity=rule.severity,
        message=found.message,
        fix=found.fix or rule.fix,
        path=view.written(found.path),
        file=mark.file,
        line=mark.line,
        column=mark.column,
        fixable=rule.fixable and not view.is_cfn,
    )


def _syntax(problem: Problem, file: str) -> Warned:
    mark = problem.mark or Mark(file, 1, 1)
    return Warned(
        rule=SYNTAX,
        name=problem.code,
        severity=Severity.ERROR,
        message=problem.message,
        fix=problem.remedy,
        path=problem.path,
        file=mark.file,
        line=mark.line,
        column=mark.column,
    )


class Silence:
    """Comments `# mantle: ignore MTL004`: of their line, or, standing alone, of the next one."""

    def __init__(self, text: str) -> None:
        self.lines: dict[int, set[str]] = {}
        self.whole: set[str] = set()
        alone: set[str] = set()
        for number, line in enumerate(text.splitlines(), 1):
            match = IGNORE.search(line) if "mantle:" in line else None
            ids = set(_ID.findall(match.group())) if match else set()
            if match and match["file"]:
                self.whole |= ids
                continue
            if match and not line[: match.start()].strip():
                alone |= ids
                continue
            if ids or alone:
                self.lines[number] = ids | alone
            alone = set()

    def covers(self, warned: Warned) -> bool:
        """Whether the author has said that it is meant."""
        return warned.rule in self.whole or warned.rule in self.lines.get(warned.line, ())
