"""Regular expressions that strangers wrote, matched within a bound.

A pattern such as `(a|aa)+b` takes longer than anybody waits on forty letters. `regex` reads the
same patterns as the standard library and can be told when to give up.
"""

import re
import warnings

import regex

SECONDS = 0.5
"""A match that is meant takes microseconds."""


class TooSlow(ValueError):
    """The pattern was still at work when its time was over."""


class Unreadable(ValueError):
    """This is no regular expression."""


LONGEST = 10_000
"""Letters of a pattern: the largest that people write have some hundred."""
MOST_REPEATS = 100_000
"""Of all the counts in a pattern multiplied: what `(a{1000}){1000}` would unroll."""

_COUNT = re.compile(r"\{(\d+)(?:,(\d*))?\}")


def check_pattern(pattern: str) -> None:
    """Raises `Unreadable`, with the reason, for what cannot be matched."""
    if len(pattern) > LONGEST:
        message = f"a pattern may have {LONGEST:,} characters, this has {len(pattern):,}"
        raise Unreadable(message)
    unrolled = 1
    for low, high in _COUNT.findall(pattern):
        # Longer numbers are refused by their length: they need not be read.
        unrolled *= max(1, int((high or low)[:9]))
    if unrolled > MOST_REPEATS:
        message = f"its repetitions multiply to more than {MOST_REPEATS:,}"
        raise Unreadable(message)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # patterns that mean something else in later versions
            re.compile(pattern)
            regex.compile(pattern)
    except (re.error, regex.error, OverflowError, RecursionError, ValueError) as error:
        raise Unreadable(str(error)) from error


def whole_match(pattern: str, text: str) -> bool:
    """Whether the pattern matches the whole text; raises `TooSlow`."""
    try:
        return regex.fullmatch(pattern, text, timeout=SECONDS) is not None
    except TimeoutError as error:
        raise TooSlow(f"the pattern {pattern!r} takes too long on this value") from error
