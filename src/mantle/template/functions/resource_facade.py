"""What the parent says of the resource that this nested template stands for."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong

PARTS = {"metadata", "deletion_policy", "update_policy"}


def _check(argument: Value) -> str | None:
    if isinstance(argument, str) and argument in PARTS:
        return None
    return f"needs one of {', '.join(sorted(PARTS))}"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    if scope.facade is None:
        raise wrong(call, "works only in a nested template")
    return scope.facade.get(str(argument))


FUNCTION = Function(
    name="resource_facade",
    description="Metadata and policies of the parent's resource, in a nested template.",
    resolve=_resolve,
    check=_check,
)
