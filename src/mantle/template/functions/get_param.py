"""The value of a parameter, or of a part of it."""

from mantle.model.errors import Invalid, Path, Problem, dotted
from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, dig, kind, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, list):
        return None if argument else "needs a parameter's name"
    return None if isinstance(argument, str | Call) else f"needs a name, not {kind(argument)}"


def undeclared(name: str, path: Path, remedy: str = "Declare it under `parameters`.") -> Problem:
    """A parameter that the template does not have, in Heat's words."""
    text = f"The Parameter ({name}) was not provided."
    if path[2:3] == ("properties",):
        text = f"Property error: : {dotted(path)}: : {text}"
    return Problem(
        code="unknown-parameter",
        message=text,
        path=path,
        remedy=remedy,
        fault="UserParameterMissing",
    )


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """Any miss on the path gives the empty text, as in Heat; an unknown name is an error."""
    name, *path = argument if isinstance(argument, list) else [argument]
    if not isinstance(name, str):
        raise wrong(call, f"a parameter's name is a text, not {kind(name)}")
    if name not in scope.parameters:
        raise Invalid([undeclared(str(name), call.path)])
    return dig(scope.parameters[name], path, "") if path else scope.parameters[name]


FUNCTION = Function(
    name="get_param",
    description="A function for resolving parameter references.",
    resolve=_resolve,
    check=_check,
    is_condition=True,
)
