"""A text cut at a delimiter."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    if not isinstance(argument, list) or len(argument) < 2:
        return "needs [delimiter, text, (position)]"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """A null delimiter cuts at white space; what comes after the position is passed over."""
    del scope
    if not isinstance(argument, list) or len(argument) < 2:
        raise wrong(call, "needs [delimiter, text, (position)]")
    delimiter, text = argument[:2]
    if text is None:
        return None
    if not isinstance(text, str):
        raise wrong(call, f"the text must be a string, not {kind(text)}")
    if delimiter is not None and (not isinstance(delimiter, str) or not delimiter):
        raise wrong(call, "the delimiter must be a string that is not empty")
    parts = text.split(delimiter)
    if len(argument) == 2:
        return parts
    try:
        return parts[int(argument[2])]
    except (ValueError, TypeError) as error:
        raise wrong(call, f"the position {argument[2]!r} is no number") from error
    except IndexError as error:
        raise wrong(call, f"there is no part {argument[2]}; the text has {len(parts)}") from error


FUNCTION = Function(
    name="str_split",
    description="Cuts a text at a delimiter into a list, or one part of it.",
    resolve=_resolve,
    check=_check,
)
