"""Names of time zones, as this machine's database has them.

It is read once, when the first name is asked about: what is asked later gets the same answer, and
deciding code reads no files.
"""

import re
from functools import cache
from zoneinfo import available_timezones

_SHAPE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")


@cache
def _names() -> frozenset[str]:
    return frozenset(available_timezones())


def is_zone(name: str) -> bool:
    """Whether there is such a zone; by its shape alone on a machine without the database."""
    known = _names()
    return name in known if known else _SHAPE.fullmatch(name) is not None
