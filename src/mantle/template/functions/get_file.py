"""The text of a file that came with the template."""

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, kind, wrong


def _check(argument: Value) -> str | None:
    return (
        None if isinstance(argument, str | Call) else f"needs a file's name, not {kind(argument)}"
    )


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    if not isinstance(argument, str):
        raise wrong(call, f"needs a file's name, not {kind(argument)}")
    text = scope.files.get(argument)
    if text is None:
        there = ", ".join(sorted(scope.files)[:5]) or "none"
        raise wrong(
            call,
            f"no file {argument!r} came with the template (there: {there})",
            "Send it in `files` under exactly this key.",
        )
    return text


FUNCTION = Function(
    name="get_file",
    description="A function for including a file inline.",
    resolve=_resolve,
    check=_check,
)
