"""A template repeated for each item of lists."""

import itertools
import math

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, bounded, kind, wrong

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
    # The key is newer than the function: older versions pass it over.
    permutations = argument.get("permutations", True) if scope.version >= "2017-09-01" else True
    if not isinstance(permutations, bool):
        raise wrong(call, "`permutations` must be true or false")
    names = list(each)
    lists = [_items(name, each[name], scope, call, permutations) for name in names]
    if not all(lists):
        # Nothing is repeated, so nothing is looked at.
        lists = [[] for _ in names] if permutations else lists
    else:
        _check_texts(dict(zip(names, lists, strict=True)), call)
    if permutations:
        if math.prod(len(items) for items in lists) > MOST_COPIES:
            raise wrong(call, f"would make more than {MOST_COPIES:,} copies")
        rows = list(itertools.product(*lists))
    else:
        if any(each[name] is None for name in names):
            lists = [[] for _ in names]
        if len({len(items) for items in lists}) > 1:
            raise wrong(call, "without permutations all lists must be equally long")
        rows = list(zip(*lists, strict=True))
    bounded(call, _weight(argument["template"]) * len(rows))
    made: list[Value] = []
    size = 0
    for row in rows:
        made.append(_copy(argument["template"], list(zip(names, row, strict=True)), call))
        size += _weight(made[-1])
        bounded(call, size)
    return made


def _weight(value: Value) -> int:
    """Roughly the characters of a value; each item counts for itself."""
    if isinstance(value, str):
        return len(value) + 1
    if isinstance(value, dict):
        return 1 + sum(_weight(key) + _weight(part) for key, part in value.items())
    if isinstance(value, list):
        return 1 + sum(map(_weight, value))
    return 1


def _items(name: str, value: Value, scope: Scope, call: Call, permutations: bool) -> list[str]:
    if value is None:
        return []
    if isinstance(value, dict) and scope.version >= "2016-10-14" and permutations:
        value = list(value)
    if not isinstance(value, list):
        raise wrong(call, f"the values of {name!r} must be a list, not {kind(value)}")
    return value


def _check_texts(lists: dict[str, list[str]], call: Call) -> None:
    for name, items in lists.items():
        for item in items:
            if not isinstance(item, str):
                raise wrong(call, f"the values of {name!r} must be strings, not {kind(item)}")


def _copy(template: Value, replacements: list[tuple[str, str]], call: Call) -> Value:
    if isinstance(template, str):
        for name, text in replacements:
            bounded(call, len(template) + template.count(name) * len(text))
            template = template.replace(name, text)
        return template
    if isinstance(template, dict):
        return {
            _copy(key, replacements, call): _copy(value, replacements, call)
            for key, value in template.items()
        }
    if isinstance(template, list):
        return [_copy(item, replacements, call) for item in template]
    return template


FUNCTION = Function(
    name="repeat",
    description="Repeats a template for each item of one or more lists.",
    resolve=_resolve,
    check=_check,
)
