"""YAQL's functions that one call could blow up, within bounds: patterns, powers, repetition.

They do as YAQL's own. Patterns are matched by `regex`, which gives up when its time is over; what
would be too large is refused before it is made.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import regex as patterns
from yaql.language import specs, yaqltypes

from mantle.lib.patterns import SECONDS, check_pattern

MOST_TEXT = 100_000
"""Letters that a replacement or repetition may make."""
MOST_ITEMS = 200
WIDEST_BITS = 4096
"""Of a power."""

Pattern = type(patterns.compile("a"))


class TooLarge(ValueError):
    """What a call would have made."""


def register(context: Any, functions: Iterable["Function"]) -> None:
    """Put them into a context that has none of the same names."""
    for each in functions:
        function = each.work
        for name, kind in each.parameters.items():
            function = specs.parameter(name, kind)(function)
        function = specs.name(each.name)(function)
        context.register_function(specs.method(function) if each.is_method else function)


@dataclass(frozen=True, slots=True)
class Function:
    """One function of YAQL, with the types of its parameters."""

    name: str
    work: Callable[..., Any]
    parameters: Mapping[str, Any]
    is_method: bool = True


# --- patterns --------------------------------------------------------------------------------


def _regex(
    pattern: str, ignore_case: bool = False, multi_line: bool = False, dot_all: bool = False
) -> Any:
    flags = patterns.IGNORECASE if ignore_case else 0
    flags |= patterns.MULTILINE if multi_line else 0
    flags |= patterns.DOTALL if dot_all else 0
    check_pattern(pattern)
    return patterns.compile(pattern, flags)


def _matches(left: Any, right: Any) -> bool:
    """`regexp.matches(text)` and `text.matches(regexp)`."""
    return _found(left, right) if isinstance(left, Pattern) else _found(right, left)


def _like(string: str, pattern: Any) -> bool:
    return _found(pattern, string)


def _unlike(string: str, pattern: Any) -> bool:
    return not _found(pattern, string)


def _found(pattern: Any, text: str) -> bool:
    regexp = pattern if isinstance(pattern, Pattern) else _regex(pattern)
    return _timed(regexp.search, text) is not None


def _search(context: Any, regexp: Any, string: str, selector: Any = None) -> Any:
    found = _timed(regexp.search, string)
    return None if found is None else _selected(context, found, selector)


def _search_all(context: Any, regexp: Any, string: str, selector: Any = None) -> Iterator[Any]:
    for found in _timed(lambda timeout: list(regexp.finditer(string, timeout=timeout))):
        yield _selected(context, found, selector)


def _split(left: Any, right: Any, max_split: int = 0) -> Any:
    regexp, text = (left, right) if isinstance(left, Pattern) else (right, left)
    return _timed(regexp.split, text, max_split)


def _split_text(string: str, regexp: Any, max_split: int = 0) -> Any:
    return _split(regexp, string, max_split)


def _replace(regexp: Any, string: str, repl: str, count: int = 0) -> Any:
    return _replaced(regexp, string, lambda found: found.expand(repl), count)


def _replace_text(string: str, regexp: Any, repl: str, count: int = 0) -> Any:
    return _replace(regexp, string, repl, count)


def _replace_by(context: Any, regexp: Any, string: str, repl: Any, count: int = 0) -> Any:
    return _replaced(regexp, string, lambda found: _selected(context, found, repl), count)


def _replace_text_by(context: Any, string: str, regexp: Any, repl: Any, count: int = 0) -> Any:
    return _replace_by(context, regexp, string, repl, count)


def _escape_regex(string: str) -> Any:
    return patterns.escape(string)


def _is_regex(value: Any) -> bool:
    return isinstance(value, Pattern)


def _timed(work: Callable[..., Any], *args: Any) -> Any:
    try:
        return work(*args, timeout=SECONDS)
    except TimeoutError as error:
        message = "the pattern takes too long on this value"
        raise TooLarge(message) from error


def _selected(context: Any, match: Any, selector: Any) -> Any:
    """What the selector makes of a match: `$1` is the whole, `$2` and on are groups, also by name.

    Each is a map of `value`, `start` and `end`.
    """
    if selector is None:
        return match.group()

    def place(group: int | str) -> dict[str, Any]:
        return {"value": match.group(group), "start": match.start(group), "end": match.end(group)}

    inner = context.create_child_context()
    for number in range(len(match.groups()) + 1):
        inner[f"${number + 1}"] = place(number)
    for name in match.groupdict():
        inner[f"${name}"] = place(name)
    return selector(inner)


def _replaced(regexp: Any, string: str, make: Callable[[Any], Any], count: int) -> Any:
    """Counted while it grows: a replacement may name what it replaces many times over."""
    size = len(string)

    def one(found: Any) -> str:
        nonlocal size
        text = str(make(found))
        size += len(text)
        _bounded(size)
        return text

    return _timed(regexp.sub, one, string, count)


# --- numbers and repetition ------------------------------------------------------------------


def _times(left: Any, right: int) -> Any:
    if isinstance(left, str):
        _bounded(len(left) * right)
    elif len(left) * right > MOST_ITEMS:
        message = f"a list may have {MOST_ITEMS} items"
        raise TooLarge(message)
    return left * right


def _times_right(left: int, right: Any) -> Any:
    return _times(right, left)


def _power(a: Any, b: Any, c: Any = None) -> Any:
    whole = isinstance(a, int) and isinstance(b, int)
    if whole and c is None and a.bit_length() * abs(b) > WIDEST_BITS:
        message = "the power is too large"
        raise TooLarge(message)
    if any(isinstance(each, int) and each.bit_length() > WIDEST_BITS for each in (a, b, c)):
        message = "the numbers are too large"
        raise TooLarge(message)
    return pow(a, b, c)


def _bounded(size: int) -> None:
    if size > MOST_TEXT:
        message = f"a text may have {MOST_TEXT:,} characters"
        raise TooLarge(message)


_PATTERN = yaqltypes.PythonType(Pattern)
_TEXT = yaqltypes.String()
_EITHER = yaqltypes.AnyOf(yaqltypes.String(), _PATTERN)
_MANY = yaqltypes.AnyOf(yaqltypes.String(), yaqltypes.Sequence())
_WHOLE = yaqltypes.Integer()
_NUMBER = yaqltypes.Number()
_PERHAPS = yaqltypes.Number(nullable=True)
_SELECTOR = yaqltypes.Lambda(with_context=True)

FUNCTIONS = (
    Function("regex", _regex, {"pattern": _TEXT}, is_method=False),
    Function("matches", _matches, {"left": _EITHER, "right": _TEXT}),
    Function("#operator_=~", _like, {"string": _TEXT, "pattern": _EITHER}, is_method=False),
    Function("#operator_!~", _unlike, {"string": _TEXT, "pattern": _EITHER}, is_method=False),
    Function("search", _search, {"regexp": _PATTERN, "string": _TEXT, "selector": _SELECTOR}),
    Function(
        "searchAll", _search_all, {"regexp": _PATTERN, "string": _TEXT, "selector": _SELECTOR}
    ),
    Function("split", _split, {"left": _PATTERN, "right": _TEXT, "max_split": _WHOLE}),
    Function("split", _split_text, {"string": _TEXT, "regexp": _PATTERN, "max_split": _WHOLE}),
    Function(
        "replace",
        _replace,
        {"regexp": _PATTERN, "string": _TEXT, "repl": _TEXT, "count": _WHOLE},
    ),
    Function(
        "replace",
        _replace_text,
        {"string": _TEXT, "regexp": _PATTERN, "repl": _TEXT, "count": _WHOLE},
    ),
    Function(
        "replaceBy",
        _replace_by,
        {"regexp": _PATTERN, "string": _TEXT, "repl": _SELECTOR, "count": _WHOLE},
    ),
    Function(
        "replaceBy",
        _replace_text_by,
        {"string": _TEXT, "regexp": _PATTERN, "repl": _SELECTOR, "count": _WHOLE},
    ),
    Function("escapeRegex", _escape_regex, {"string": _TEXT}, is_method=False),
    Function("isRegex", _is_regex, {}, is_method=False),
    Function("#operator_*", _times, {"left": _MANY, "right": _WHOLE}, is_method=False),
    Function("#operator_*", _times_right, {"left": _WHOLE, "right": _MANY}, is_method=False),
    Function("pow", _power, {"a": _NUMBER, "b": _NUMBER, "c": _PERHAPS}, is_method=False),
)
