"""Values out of calls: the one resolver of planner, engine and outputs."""

from collections.abc import Mapping
from typing import Any

from mantle.model.values import OMITTED, Call, Unknown, Value
from mantle.template.functions import functions_in
from mantle.template.functions.base import Lookup, Scope, wrong

__all__ = ["Lookup", "Scope", "resolve"]


def resolve(value: Value, scope: Scope) -> Value:
    """The value without calls. What is not known yet becomes `Unknown`, through every function.

    Raises `Invalid` when a function cannot work on what it was given.
    """
    result = _resolve(value, scope)
    return None if result is OMITTED else result


def _resolve(value: Value, scope: Scope) -> Value:
    kind = type(value)
    if kind is str or kind is int or value is None or kind is bool or kind is float:
        return value
    if kind is dict:
        return _map(value, scope)
    if kind is list:
        return [item for item in (_resolve(part, scope) for part in value) if item is not OMITTED]
    if kind is Call:
        return _call(value, scope)
    if isinstance(value, Mapping):
        return _map(value, scope)
    return value


def _map(value: Mapping[str, Any], scope: Scope) -> dict[str, Any]:
    result = {}
    for key, part in value.items():
        item = _resolve(part, scope)
        if item is not OMITTED:
            result[key] = item
    return result


def _call(call: Call, scope: Scope) -> Value:
    argument = _resolve(call.argument, scope)
    if argument is OMITTED:
        argument = None
    found = _unknowns(argument)
    if found:
        return Unknown.joined(found)
    try:
        return functions_in(scope.version)[call.function].resolve(argument, scope, call)
    except RecursionError:
        raise wrong(call, "its argument is nested too deeply") from None


def _unknowns(value: Value) -> list[Unknown]:
    kind = type(value)
    if kind is Unknown:
        return [value]
    if kind is dict:
        return [found for part in value.values() for found in _unknowns(part)]
    if kind is list:
        return [found for part in value for found in _unknowns(part)]
    return []
