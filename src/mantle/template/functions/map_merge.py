"""Maps as one; later ones win."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    return None if isinstance(argument, list | Call) else "needs a list of maps"


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    if not isinstance(argument, list):
        raise wrong(call, f"needs a list of maps, not {kind(argument)}")
    merged: dict[str, Value] = {}
    for item in argument:
        if item is None:
            continue
        if not isinstance(item, dict):
            raise wrong(call, f"can only merge maps, not {kind(item)}")
        merged.update(item)
    return merged


FUNCTION = Function(
    name="map_merge",
    description="Merges maps into one; later ones win.",
    resolve=_resolve,
    check=_check,
)
