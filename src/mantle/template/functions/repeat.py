"""A template repeated for each item of lists."""

import itertools
import math

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong

MOST_COPIES = 100_000


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, dict) or not {"template", "for_each"} <= set(argument):
        return "needs a map with the keys `template` and `for_each`"
    if isinstance(argument["for_each"], dict) and not argument["for_each"]:
        return "`for_each` must name at least one list"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """The template is resolved first; then texts and keys are replaced, variable by variable."""
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    each = argument["for_each"]
    if not isinstance(each, dict):
        raise wrong(call, f"`for_each` must be a map, not {kind(each)}")
    permutations = argument.get("permutations", True)
    if not isinstance(permutations, bool):
        raise wrong(call, "`permutations` must be true or false")
    names = list(each)
    lists = [_items(name, each[name], scope, call, permutations) for name in names]
    if permutations:
        if math.prod(len(items) for items in lists) > MOST_COPIES:
            raise wrong(call, f"would make more than {MOST_COPIES:,} copies")
        rows = list(itertools.product(*lists))
    else:
        if len({len(items) for items in lists}) > 1:
            raise wrong(call, "without permutations all lists must be equally long")
        rows = list(zip(*lists, strict=True))
    return [_copy(argument["template"], list(zip(names, row, strict=True))) for row in rows]


def _items(name: str, value: Value, scope: Scope, call: Call, permutations: bool) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict) and scope.version >= "2016-10-14" and permutations:
        value = list(value)
    if not isinstance(value, list):
        raise wrong(call, f"the values of {name!r} must be a list, not {kind(value)}")
    for item in value:
        if not isinstance(item, str):
            raise wrong(call, f"the values of {name!r} must be strings, not {kind(item)}")
    return value


def _copy(template: Value, replacements: list[tuple[str, str]]) -> Value:
    if isinstance(template, str):
        for name, text in replacements:
            template = template.replace(name, text)
        return template
    if isinstance(template, dict):
        return {
            _copy(key, replacements): _copy(value, replacements) for key, value in template.items()
        }
    if isinstance(template, list):
        return [_copy(item, replacements) for item in template]
    return template


FUNCTION = Function(
    name="repeat",
    description="Repeats a template for each item of one or more lists.",
    resolve=_resolve,
    check=_check,
)
