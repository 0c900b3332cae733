"""Which backups stay: the newest so many, and one of each of so many days, weeks or months."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

T = TypeVar("T")

_RULE = re.compile(r"(\d{1,5})(?:\s+(daily|weekly|monthly))?", re.ASCII)

PERIODS: Mapping[str, Callable[[datetime], tuple[int, int]]] = {
    "daily": lambda at: (at.year, at.timetuple().tm_yday),
    "weekly": lambda at: at.isocalendar()[:2],
    "monthly": lambda at: (at.year, at.month),
}


@dataclass(frozen=True, slots=True)
class Keep:
    """Rules; a backup stays when one of them wants it."""

    last: int = 0
    periods: tuple[tuple[str, int], ...] = ()


def keep_of(text: str) -> Keep:
    """`14`, `7 daily, 4 weekly`, `3, 7 daily, 12 monthly`; raises `ValueError` in words."""
    last, periods = 0, []
    for part in map(str.strip, text.split(",")):
        found = _RULE.fullmatch(part)
        if found is None or int(found[1]) < 1:
            raise ValueError(
                f"{part!r} says nothing of backups: say 14, or 7 daily, 4 weekly, 12 monthly"
            )
        if found[2] is None:
            last = int(found[1])
        else:
            periods.append((found[2], int(found[1])))
    return Keep(last, tuple(periods))


def doomed(backups: Sequence[tuple[float, T]], keep: Keep) -> list[T]:
    """Those that no rule wants, of (taken at, backup). The newest always stays.

    Of a period the last backup stays, by the calendar of UTC; a period without a backup does not
    count.
    """
    newest_first = sorted(backups, key=lambda each: each[0], reverse=True)
    wanted = set(range(max(1, keep.last)))
    for name, count in keep.periods:
        seen: set[tuple[int, int]] = set()
        for place, (at, _) in enumerate(newest_first):
            period = PERIODS[name](datetime.fromtimestamp(at, UTC))
            if period not in seen and len(seen) < count:
                seen.add(period)
                wanted.add(place)
    return [each for place, (_, each) in enumerate(newest_first) if place not in wanted]
