"""The value of a YAQL expression over data; bounded as `lib/yaql.py` says."""

from mantle.lib.yaql import YaqlError, evaluate, parse
from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong

KEYS = {"expression", "data"}


def _check(argument: Value) -> str | None:
    if not isinstance(argument, dict) or not {"expression"} <= set(argument) <= KEYS:
        return "needs a map with `expression` and `data`, and nothing else"
    if isinstance(argument["expression"], str):
        try:
            parse(argument["expression"])
        except YaqlError as error:
            return str(error)
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    expression = argument["expression"]
    if not isinstance(expression, str):
        raise wrong(call, "the expression must be a text")
    try:
        return evaluate(expression, argument.get("data", {}))
    except YaqlError as error:
        raise wrong(call, str(error), "Mend it, or compute the value outside.") from error


def _function(*, is_condition: bool) -> Function:
    return Function(
        name="yaql",
        description="The value of a YAQL expression over data.",
        resolve=_resolve,
        check=_check,
        is_condition=is_condition,
    )


FUNCTION = _function(is_condition=False)
CONDITION = _function(is_condition=True)
"""Since 2017-09-01 conditions may use it too."""
