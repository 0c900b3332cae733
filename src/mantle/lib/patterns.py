"""Regular expressions that strangers wrote, matched within a bound.

A pattern such as `(a|aa)+b` takes longer than anybody waits on forty letters. `regex` reads the
same patterns as the standard library and can be told when to give up.
"""

import regex

SECONDS = 0.5
"""A match that is meant takes microseconds."""


class TooSlow(ValueError):
    """The pattern was still at work when its time was over."""


def whole_match(pattern: str, text: str) -> bool:
    """Whether the pattern matches the whole text; raises `TooSlow`."""
    try:
        return regex.fullmatch(pattern, text, timeout=SECONDS) is not None
    except TimeoutError as error:
        raise TooSlow(f"the pattern {pattern!r} takes too long on this value") from error
