"""The stack inside a resource, as far as it can be known before anything is made.

What only a created resource will know is unknown in the properties of a group. In the template of
its members a parameter without a value stands for it, so that all else is checked as usual.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mantle.model.errors import Path, Problem
from mantle.model.schema import Contents
from mantle.model.values import Call, Unknown

PENDING = "value_known_later_"
"""Begins the names of the parameters that stand for values nobody knows yet."""


def stand_in(value: Any, pending: dict[str, Unknown]) -> Any:
    """The value with a reference to a parameter without value in place of each unknown."""
    match value:
        case Unknown():
            name = f"{PENDING}{len(pending)}"
            pending[name] = value
            return {"get_param": name}
        case dict():
            return {key: stand_in(part, pending) for key, part in value.items()}
        case list():
            return [stand_in(part, pending) for part in value]
        case Call():
            message = f"{value.function} was left unresolved"
            raise TypeError(message)
        case _:
            return value


def template_of(contents: Contents) -> dict[str, Any]:
    """A template that can be loaded by itself, without values for what is unknown."""
    pending: dict[str, Unknown] = {}
    template: dict[str, Any] = stand_in(dict(contents.template), pending)
    parameters: Mapping[str, Any] = template.get("parameters", {})
    declared = {name: {"type": "json"} for name in pending}
    return {**template, "parameters": {**parameters, **declared}} if declared else template


def placed(problem: Problem, contents: Contents, below: Path) -> Problem:
    """A problem inside, told at the resource that holds it; one in a file stays there."""
    if problem.mark is not None or problem.path[:1] != ("resources",):
        return problem
    path = (*below, *contents.placed(problem.path))
    message = problem.message
    inner, outer = (".".join(str(part) for part in each) for each in (problem.path, path))
    return replace(problem, path=path, message=message.replace(inner, outer))
