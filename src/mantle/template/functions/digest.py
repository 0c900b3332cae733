"""A hash of a text."""

import hashlib

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, list) or len(argument) != 2:
        return "needs [algorithm, text]"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """The text is encoded as latin-1, as in Heat; characters beyond it are errors."""
    del scope
    problem = _check(argument)
    if problem:
        raise wrong(call, problem)
    algorithm, text = argument
    if not isinstance(algorithm, str) or not isinstance(text, str):
        raise wrong(call, "algorithm and text must be strings")
    if algorithm.lower() not in hashlib.algorithms_available:
        raise wrong(call, f"the algorithm {algorithm!r} is not known", "Try sha256.")
    try:
        return hashlib.new(algorithm.lower(), text.encode("latin-1")).hexdigest()
    except ValueError as error:
        if isinstance(error, UnicodeEncodeError):
            raise wrong(
                call,
                "the text holds characters beyond latin-1",
                "Leave them out, or compute the hash outside and give it as a parameter.",
            ) from error
        raise wrong(call, f"the algorithm {algorithm!r} is not known", "Try sha256.") from error
    except TypeError as error:
        raise wrong(call, f"the algorithm {algorithm!r} needs a length", "Try sha256.") from error


FUNCTION = Function(
    name="digest",
    description="The hash of a text, in hexadecimal.",
    resolve=_resolve,
    check=_check,
)
