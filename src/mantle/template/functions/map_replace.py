"""A map with keys and values exchanged."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong

PARTS = ("keys", "values")


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, list) or len(argument) != 2:
        return "needs [map, {keys: map, values: map}]"
    change = argument[1]
    if isinstance(change, dict) and not set(change) <= set(PARTS):
        return "the second item has only `keys` and `values`"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    source, change = argument
    if source is None or change is None:
        return source or {}
    if not isinstance(source, dict) or not isinstance(change, dict):
        raise wrong(call, "both items must be maps")
    keys, values = ({} if change.get(name) is None else change[name] for name in PARTS)
    if not isinstance(keys, dict) or not isinstance(values, dict):
        raise wrong(call, "`keys` and `values` must be maps")
    result: dict[str, Value] = {}
    for key, value in source.items():
        new_key = keys.get(key)
        if new_key is None:
            new_key = key
        elif isinstance(new_key, dict | list):
            raise wrong(call, f"{key!r} cannot become a list or a map: keys are plain")
        elif (new_key != key and new_key in source) or new_key in result:
            raise wrong(call, f"the key {new_key!r} would stand there twice")
        result[new_key] = _exchanged(value, values)
    return result


def _exchanged(value: Value, values: dict[Value, Value]) -> Value:
    if isinstance(value, int) and not isinstance(value, bool):
        # Keys are read as texts: `{1: x}` is meant for the number one, too.
        return values.get(str(value), value)
    try:
        return values.get(value, value)
    except TypeError:
        return value


FUNCTION = Function(
    name="map_replace",
    description="Exchanges keys and values of a map.",
    resolve=_resolve,
    check=_check,
)
