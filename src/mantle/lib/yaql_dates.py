"""YAQL's dates that would not be functions of the data, within bounds or refused by name.

All others are YAQL's own: dates from numbers, spans, their parts, sums, differences and
comparisons. A date is read from a text without the clock and the machine's time zone, which YAQL
would fill in what the text leaves out from; it is written by the directives that are the same
everywhere, one letter each, as a width in one could fill the memory.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

from dateutil import parser  # type: ignore[import-untyped]
from yaql.language import yaqltypes

from mantle.lib.yaql_bounded import Function, TooLarge

LONGEST = 1_000
"""Characters of a format, or of a text that is a date."""
DIRECTIVES = frozenset("aAwdbBmyYHIpMSfzZjUWGuV%")
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_FIRST, _SECOND = datetime(2000, 1, 1), datetime(2001, 2, 2)  # noqa: DTZ001 - they stand for none
"""Two dates to fill gaps from: a text that gives two values has a gap."""


def _now(**_: Any) -> Any:
    return _refused("now", "gives another value each time")


def _now_there(offset: Any) -> Any:
    del offset
    return _now()


def _localtz() -> Any:
    return _refused("localtz", "depends on the machine")


def _refused(name: str, why: str) -> Any:
    message = f"{name}() is not available here, as it {why}: give the value as a parameter"
    raise ValueError(message)


def _zone(name: str | None, seconds: int | None) -> tzinfo | None:
    if seconds is not None:
        return timezone(timedelta(seconds=seconds))
    if name is None:
        return None
    if name in {"UTC", "GMT", "Z"}:
        return UTC
    message = f"the time zone {name!r} is not known: write its offset, as +01:00"
    raise ValueError(message)


def _from_text(string: str, format__: str | None = None) -> datetime:
    """As YAQL's: in UTC when the text names no zone."""
    _short(string)
    if format__ is not None:
        read = datetime.strptime(string, _checked(format__))  # noqa: DTZ007 - see below
        return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    found: datetime = parser.parse(string, default=_FIRST, tzinfos=_zone)
    if found != parser.parse(string, default=_SECOND, tzinfos=_zone):
        message = f"{string!r} does not say year, month and day"
        raise ValueError(message)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _format(dt: datetime, format__: str) -> str:
    return dt.strftime(_checked(format__))


def _checked(form: str) -> str:
    _short(form)
    for letter in _DIRECTIVE.findall(form):
        if letter not in DIRECTIVES:
            message = f"the directive '%{letter}' is not available here"
            raise ValueError(message)
    return form


def _short(text: str) -> None:
    if len(text) > LONGEST:
        message = f"a date and its format may have {LONGEST:,} characters"
        raise TooLarge(message)


_TEXT = yaqltypes.String()

DATES = (
    Function("now", _now, {}, is_method=False),
    Function("now", _now_there, {"offset": yaqltypes.PythonType(timedelta)}, is_method=False),
    Function("localtz", _localtz, {}, is_method=False),
    Function(
        "datetime",
        _from_text,
        {"string": _TEXT, "format__": yaqltypes.String(nullable=True)},
        is_method=False,
    ),
    Function("format", _format, {"dt": yaqltypes.DateTime(), "format__": _TEXT}),
)
