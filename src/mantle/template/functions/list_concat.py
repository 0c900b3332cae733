"""Lists one after another: list_concat and list_concat_unique."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    return None if isinstance(argument, list | Call) else "needs a list of lists"


def _concatenated(argument: Value, call: Call) -> list[Value]:
    if not isinstance(argument, list):
        raise wrong(call, f"needs a list of lists, not {kind(argument)}")
    result: list[Value] = []
    for items in argument:
        if items is None:
            continue
        if not isinstance(items, list):
            raise wrong(call, f"can only join lists, not {kind(items)}")
        result += items
    return result


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    return _concatenated(argument, call)


def _unique(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    seen: list[Value] = []
    for item in _concatenated(argument, call):
        if item not in seen:
            seen.append(item)
    return seen


FUNCTION = Function(
    name="list_concat",
    description="Puts lists one after another.",
    resolve=_resolve,
    check=_check,
)
UNIQUE = Function(
    name="list_concat_unique",
    description="Puts lists one after another and keeps the first of equal items.",
    resolve=_unique,
    check=_check,
)
