"""Texts with parts replaced: str_replace and its two stricter forms."""

import json
from collections.abc import Callable, Mapping

from mantle.model.values import Call, Unknown, Value
from mantle.template.functions.base import Function, Scope, bounded, kind, wrong

MOST_PIECES = 20_000_000
"""Looked at, over all keys: some seconds."""


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, dict) or not {"template", "params"} <= set(argument):
        return "needs a map with the keys `template` and `params`"
    template, params = argument["template"], argument["params"]
    if not isinstance(template, str | Call | Unknown):
        return f"`template` must be a string, not {kind(template)}"
    if not isinstance(params, dict | Call | Unknown):
        return f"`params` must be a map, not {kind(params)}"
    return None


def _replacer(*, strict: bool, very: bool) -> Callable[[Value, Scope, Call], Value]:
    def resolve(argument: Value, scope: Scope, call: Call) -> Value:
        """Longest key first; what was put in is not looked at again."""
        problem = _check(argument)
        if problem or not isinstance(argument, dict):
            raise wrong(call, problem or "needs a map")
        template, params = argument["template"], argument["params"]
        texts = {str(key): _text(key, value, scope, call, very) for key, value in params.items()}
        made, unused = replaced(template, texts, call)
        if strict and unused:
            raise wrong(
                call,
                f"not found in the template: {', '.join(unused)}",
                "Take them out of `params`, or put them into the template.",
            )
        return made

    return resolve


def replaced(text: str, texts: Mapping[str, str], call: Call) -> tuple[str, list[str]]:
    """The text with every key replaced, and the keys that were found nowhere.

    The longest key goes over the whole text first, then the next: it sees only what is still as
    the author wrote it. A key that others use up is found nowhere.
    """
    if "" in texts:
        raise wrong(call, "an empty text cannot be replaced", "Take the empty key out.")
    pieces = [(text, False)]
    unused, size, looked_at = [], len(text), 0
    for key in sorted(texts, key=lambda each: (-len(each), each)):
        looked_at += len(pieces)
        if looked_at > MOST_PIECES:
            raise wrong(call, "has too many keys for so long a template", "Use a few keys only.")
        if not any(key in piece for piece, done in pieces if not done):
            unused.append(key)
            continue
        apart: list[tuple[str, bool]] = []
        for piece, done in pieces:
            if done or key not in piece:
                apart.append((piece, done))
                continue
            size += piece.count(key) * (len(texts[key]) - len(key))
            bounded(call, size)
            for part in piece.split(key):
                apart += [(part, False), (texts[key], True)]
            apart.pop()
        pieces = apart
    return "".join(piece for piece, _ in pieces), unused


def _text(key: str, value: Value, scope: Scope, call: Call, very: bool) -> str:
    if very and (value is None or value in ("", [], {})) and not isinstance(value, bool | int):
        raise wrong(call, f"the value of {key!r} is empty", "Give it a value, or do not name it.")
    if value is None:
        return ""
    if isinstance(value, dict | list):
        if scope.version < "2015-10-15":
            raise wrong(
                call,
                f"the value of {key!r} must be plain in version {scope.version}",
                "Use 2015-10-15 or later, where maps and lists become JSON.",
            )
        return json.dumps(value, sort_keys=True)
    return str(value)


FUNCTION = Function(
    name="str_replace",
    description="Replaces keys in a text by values.",
    resolve=_replacer(strict=False, very=False),
    check=_check,
)
STRICT = Function(
    name="str_replace_strict",
    description="As str_replace, but each key must occur in the text.",
    resolve=_replacer(strict=True, very=False),
    check=_check,
)
VERY_STRICT = Function(
    name="str_replace_vstrict",
    description="As str_replace_strict, and no value may be empty.",
    resolve=_replacer(strict=True, very=True),
    check=_check,
)
