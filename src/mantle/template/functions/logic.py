"""Conditions: equals, not, and, or."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong


def _equals_check(argument: Value) -> str | None:
    if isinstance(argument, list) and len(argument) == 2:
        return None
    return "needs a list of exactly two values"


def _equals(argument: Value, scope: Scope, call: Call) -> Value:
    del scope, call
    return bool(argument[0] == argument[1])


def _truth(value: Value, scope: Scope, call: Call) -> bool:
    if value is None:
        return True  # as where no condition is given
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value in scope.conditions:
        return bool(scope.conditions[value])
    raise wrong(call, f"{str(value)[:100]!r} is no condition", "Name one from `conditions`.")


def _not(argument: Value, scope: Scope, call: Call) -> Value:
    if argument is None:
        raise wrong(call, "needs a condition")
    return not _truth(argument, scope, call)


def _many_check(argument: Value) -> str | None:
    if isinstance(argument, list) and len(argument) >= 2:
        return None
    return "needs a list of at least two conditions"


def _and(argument: Value, scope: Scope, call: Call) -> Value:
    # Each is looked at, so that a wrong one is always found.
    truths = [_truth(item, scope, call) for item in argument]
    return all(truths)


def _or(argument: Value, scope: Scope, call: Call) -> Value:
    truths = [_truth(item, scope, call) for item in argument]
    return any(truths)


EQUALS = Function(
    name="equals",
    description="Whether two values are equal.",
    resolve=_equals,
    check=_equals_check,
    is_condition=True,
    only_condition=True,
)
NOT = Function(
    name="not",
    description="Turns a condition round.",
    resolve=_not,
    is_condition=True,
    only_condition=True,
)
AND = Function(
    name="and",
    description="True when all of its conditions are.",
    resolve=_and,
    check=_many_check,
    is_condition=True,
    only_condition=True,
)
OR = Function(
    name="or",
    description="True when one of its conditions is.",
    resolve=_or,
    check=_many_check,
    is_condition=True,
    only_condition=True,
)
