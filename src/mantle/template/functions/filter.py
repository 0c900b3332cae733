"""A list without some values."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, list) or len(argument) != 2:
        return "needs [values, list]"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    values, items = argument
    if not items:
        return items
    if not isinstance(items, list) or not isinstance(values, list | None):
        raise wrong(call, "both items must be lists")
    return [item for item in items if item not in (values or [])]


FUNCTION = Function(
    name="filter",
    description="A list without the given values.",
    resolve=_resolve,
    check=_check,
)
