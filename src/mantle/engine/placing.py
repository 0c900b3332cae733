"""Says where in a template a refusal of the planner or of a policy rule has its cause.

The template is read again for its lines only when there is something to point at.
"""

from collections.abc import Sequence
from dataclasses import replace

from mantle.engine.machine import Machine
from mantle.model.errors import Denied, Invalid, Path, Problem
from mantle.model.graph import TemplateSource
from mantle.model.policies import PolicyVerdict
from mantle.model.records import StackRecord
from mantle.store import stacks as stack_rows
from mantle.template.load import Document, parse
from mantle.template.loaded import Loaded


async def placed(
    machine: Machine, stack: StackRecord, loaded: Loaded | None, error: Invalid
) -> Invalid:
    """The same refusal with file, line and column of every problem that has a place.

    What is no longer in the new template has its place in the one in force.
    """
    if all(problem.mark is not None for problem in error.problems):
        return error
    new = _document(loaded.source if loaded is not None else None)
    old = await _old(machine, stack, loaded, new, [problem.path for problem in error.problems])
    problems = [
        problem if problem.mark is not None else _marked(problem, new, old)
        for problem in error.problems
    ]
    return type(error)(problems)


async def verdicts_placed(
    machine: Machine,
    stack: StackRecord,
    loaded: Loaded | None,
    verdicts: tuple[PolicyVerdict, ...],
) -> tuple[PolicyVerdict, ...]:
    """The verdicts with the line of the resource each is about."""
    if not verdicts:
        return verdicts
    new = _document(loaded.source if loaded is not None else None)
    paths: list[Path] = [("resources", verdict.resource) for verdict in verdicts]
    old = await _old(machine, stack, loaded, new, paths)
    return tuple(
        replace(verdict, template_place=_place(new, old, path))
        for verdict, path in zip(verdicts, paths, strict=True)
    )


def denied(verdicts: Sequence[PolicyVerdict]) -> Denied:
    """The refusal that names every rule that denies."""
    return Denied(
        Problem(
            code="policy",
            message=str(verdict),
            path=("resources", verdict.resource),
            remedy="Change the template, or ask whoever set the rule.",
            fault="PolicyDenied",
        )
        for verdict in verdicts
        if verdict.denies
    )


def _document(source: TemplateSource | None) -> Document | None:
    if source is None or not isinstance(source.template, str):
        return None
    try:
        return parse(source.template, file=source.template_name)
    except Invalid:
        return None


async def _old(
    machine: Machine,
    stack: StackRecord,
    loaded: Loaded | None,
    new: Document | None,
    paths: Sequence[Path],
) -> Document | None:
    """The template in force, when something is not in the new one."""
    if not stack.source_id or (loaded is not None and all(_has(new, path) for path in paths)):
        return None
    source = await machine.database.read(stack_rows.find_source, stack.source_id)
    return _document(source)


def _has(document: Document | None, path: Path) -> bool:
    here = document.data if document is not None else None
    for part in path[:2]:
        if not isinstance(here, dict) or part not in here:
            return False
        here = here[part]
    return True


def _marked(problem: Problem, new: Document | None, old: Document | None) -> Problem:
    for document in (new, old):
        if document is not None and _has(document, problem.path):
            return replace(problem, mark=document.mark(problem.path))
    return problem


def _place(new: Document | None, old: Document | None, path: Path) -> str:
    for document in (new, old):
        if document is not None and _has(document, path):
            return str(document.mark(path) or "")
    return ""
