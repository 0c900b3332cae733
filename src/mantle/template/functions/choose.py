"""`if`: one of two values. A macro: only the chosen branch is parsed (see `hot/parse.py`)."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong


def _check(argument: Value) -> str | None:
    return None if isinstance(argument, list) else "needs [condition, value, (other value)]"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del argument, scope
    raise wrong(call, "stands where it cannot be decided")


FUNCTION = Function(
    name="if",
    description="Gives one of two values, as a condition says.",
    resolve=_resolve,
    check=_check,
)
