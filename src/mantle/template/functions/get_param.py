"""The value of a parameter, or of a part of it."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, dig, kind, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, list):
        return None if argument else "needs a parameter's name"
    return None if isinstance(argument, str | Call) else f"needs a name, not {kind(argument)}"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """Any miss on the path gives the empty text, as in Heat; an unknown name is an error."""
    name, *path = argument if isinstance(argument, list) else [argument]
    if name not in scope.parameters:
        raise wrong(call, f"there is no parameter {name!r}", "Declare it under `parameters`.")
    return dig(scope.parameters[name], path, "") if path else scope.parameters[name]


FUNCTION = Function(
    name="get_param",
    description="A function for resolving parameter references.",
    resolve=_resolve,
    check=_check,
    is_condition=True,
)
