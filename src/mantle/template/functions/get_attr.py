"""An attribute of another resource, or a part of it."""

from mantle.model.errors import Invalid, Problem
from mantle.model.values import Call, Unknown, Value
from mantle.template.functions.base import Function, Scope, dig, kind, wrong


def _check(argument: Value) -> str | None:
    if not isinstance(argument, list) or not argument:
        return "needs a list: [resource, attribute, (path ...)]"
    if not isinstance(argument[0], str | Call):
        return f"its first item is a resource's name, not {kind(argument[0])}"
    if len(argument) > 1 and not isinstance(argument[1], str | Call | None):
        return f"its second item is an attribute's name, not {kind(argument[1])}"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """A miss on the path is null; all attributes are given when none is named."""
    if scope.lookup is None or not isinstance(argument, list) or not argument:
        raise wrong(call, "attributes cannot be read here")
    name, *path = argument
    if not isinstance(name, str):
        raise wrong(call, f"a resource's name is a text, not {kind(name)}")
    attributes = scope.lookup.attributes(name)
    if isinstance(attributes, Unknown):
        return attributes
    if not path:
        return {key: value for key, value in attributes.items() if key != "show"}
    # A group answers `resource.0.attr` as one name; written as a path it means the same.
    for length in range(len(path), 1, -1):
        joined = ".".join(str(part) for part in path[:length])
        if joined in attributes and str(path[0]).startswith("resource."):
            return dig(attributes, [joined, *path[length:]], None, counts_texts=False)
    failure = scope.lookup.failure(name, str(path[0]))
    if failure is not None:
        problem = Problem(
            code="output",
            message=f"Error in {name} output {path[0]}: {failure}",
            path=call.path,
            remedy="Mend that output, or leave it out here.",
        )
        raise Invalid([problem])
    return dig(attributes, path, None, counts_texts=False)


FUNCTION = Function(
    name="get_attr",
    description="An attribute of another resource, known once that resource exists.",
    resolve=_resolve,
    check=_check,
)
