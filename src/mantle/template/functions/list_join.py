"""Texts joined by a delimiter."""

import json

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, bounded, kind, wrong


def _check(argument: Value) -> str | None:
    if not isinstance(argument, list) or len(argument) < 2:
        return "needs [delimiter, list, (list ...)]"
    return None


def _resolve(argument: Value, scope: Scope, call: Call) -> Value:
    """Null items are empty; maps and lists become JSON (since 2015-10-15); numbers are errors."""
    if not isinstance(argument, list) or len(argument) < 2:
        raise wrong(call, "needs [delimiter, list, (list ...)]")
    delimiter, *lists = argument
    if not isinstance(delimiter, str):
        raise wrong(call, f"the delimiter must be a string, not {kind(delimiter)}")
    if len(lists) > 1 and scope.version < "2015-10-15":
        raise wrong(call, f"takes one list in version {scope.version}", "Use 2015-10-15 or later.")
    texts: list[str] = []
    for items in lists:
        if not items:
            continue  # null and whatever else is empty
        if not isinstance(items, list):
            raise wrong(call, f"must operate on a list, not {kind(items)}")
        texts += [_text(item, scope, call) for item in items]
    bounded(call, sum(map(len, texts)) + len(delimiter) * len(texts))
    return delimiter.join(texts)


def _text(item: Value, scope: Scope, call: Call) -> str:
    if item is None:
        return ""
    if isinstance(item, str):
        return item
    if isinstance(item, dict | list) and scope.version >= "2015-10-15":
        return json.dumps(item, sort_keys=True)
    raise wrong(
        call,
        f"items to join must be strings, not {kind(item)} ({str(item)[:50]})",
        "Wrap it in str_replace to make it text.",
    )


FUNCTION = Function(
    name="list_join",
    description="Joins lists of texts into one text.",
    resolve=_resolve,
    check=_check,
)
