"""Whether a sequence holds a value."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, list) or len(argument) != 2:
        return "needs [value, sequence]"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    value, sequence = argument
    if isinstance(sequence, str):
        if not isinstance(value, str):
            raise wrong(call, f"a text can contain a string only, not {kind(value)}")
        return value in sequence
    if not isinstance(sequence, list):
        raise wrong(call, f"the second item must be a list or a string, not {kind(sequence)}")
    return value in sequence


FUNCTION = Function(
    name="contains",
    description="Whether a list or text contains a value.",
    resolve=_resolve,
    check=_check,
    is_condition=True,
)
