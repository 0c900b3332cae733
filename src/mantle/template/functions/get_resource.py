"""The reference id of another resource."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    return None if isinstance(argument, str) else f"needs a resource's name, not {kind(argument)}"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    if scope.lookup is None or not isinstance(argument, str):
        raise wrong(call, "resources cannot be read here")
    return scope.lookup.reference(argument)


FUNCTION = Function(
    name="get_resource",
    description="The reference id of another resource of the template.",
    resolve=_resolve,
    check=_check,
)
