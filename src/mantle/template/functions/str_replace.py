"""Texts with parts replaced: str_replace and its two stricter forms."""

import json
import re
from collections.abc import Callable

from mantle.model.values import Call, Value
from mantle.template.functions.base import Function, Scope, bounded, kind, wrong


def _check(argument: Value) -> str | None:
    if isinstance(argument, Call):
        return None
    if not isinstance(argument, dict) or set(argument) != {"template", "params"}:
        return "needs a map with the keys `template` and `params`"
    return None


def _replacer(*, strict: bool, very: bool) -> Callable[[Value, Scope, Call], Value]:
    def resolve(argument: Value, scope: Scope, call: Call) -> Value:
        """Longest key first, one pass: what was put in is not looked at again."""
        problem = _check(argument)
        if problem or not isinstance(argument, dict):
            raise wrong(call, problem or "needs a map")
        template, params = argument["template"], argument["params"]
        if template is None:
            template = ""
        if not isinstance(template, str):
            raise wrong(call, f"`template` must be a string, not {kind(template)}")
        if not isinstance(params, dict):
            raise wrong(call, f"`params` must be a map, not {kind(params)}")
        texts = {str(key): _text(key, value, scope, call, very) for key, value in params.items()}
        texts.pop("", None)
        if strict:
            unused = sorted(key for key in texts if key not in template)
            if unused:
                raise wrong(call, f"not found in the template: {', '.join(unused)}")
        if not texts:
            return template
        order = sorted(texts, key=lambda key: (-len(key), key))
        pattern = re.compile("|".join(re.escape(key) for key in order))
        size = len(template)
        for match in pattern.finditer(template):
            size += len(texts[match.group()])
            bounded(call, size)
        return pattern.sub(lambda match: texts[match.group()], template)

    return resolve


def _text(key: str, value: Value, scope: Scope, call: Call, very: bool) -> str:
    if very and (value is None or value in ("", [], {})) and not isinstance(value, bool | int):
        raise wrong(call, f"the value of {key!r} is empty")
    if value is None:
        return ""
    if isinstance(value, dict | list):
        if scope.version < "2015-10-15":
            raise wrong(call, f"the value of {key!r} must be plain in version {scope.version}")
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
