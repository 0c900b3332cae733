"""An attribute of another resource, or a part of it."""

from mantle.model.values import Call, Unknown, Value
from mantle.template.functions.base import Function, Scope, dig, wrong


def _check(argument: Value) -> str | None:
    if not isinstance(argument, list) or not argument:
        return "needs a list: [resource, attribute, (path ...)]"
    return None if isinstance(argument[0], str | Call) else "its first item is a resource's name"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """A miss on the path is null; all attributes are given when none is named."""
    if scope.lookup is None or not isinstance(argument, list) or not argument:
        raise wrong(call, "attributes cannot be read here")
    name, *path = argument
    attributes = scope.lookup.attributes(name)
    if isinstance(attributes, Unknown):
        return attributes
    if not path:
        return {key: value for key, value in attributes.items() if key != "show"}
    return dig(attributes, path, None)


FUNCTION = Function(
    name="get_attr",
    description="An attribute of another resource, known once that resource exists.",
    resolve=_resolve,
    check=_check,
)
