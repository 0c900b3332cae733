"""Slows down guessing: after a few wrong passwords an account rests for a while.

The count is kept in memory, per process: a restart forgets it, and each API process counts for
itself, which multiplies the guesses by the number of processes and no more.
"""

from collections import OrderedDict
from dataclasses import dataclass

ATTEMPTS = 10
"""Wrong passwords in a row before the account rests."""

REST_SECONDS = 60.0

REMEMBERED = 10_000
"""Names counted at once; the oldest are forgotten, so that invented names cannot fill memory."""


@dataclass(slots=True)
class _Count:
    failures: int = 0
    last_at: float = 0.0


class Lockout:
    """Counts failures by name. Times are seconds."""

    def __init__(self, attempts: int = ATTEMPTS, rest_seconds: float = REST_SECONDS) -> None:
        self._attempts = attempts
        self._rest_seconds = rest_seconds
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def rests(self, name: str, now: float) -> bool:
        """Whether the name must not try now."""
        count = self._counts.get(name)
        if count is None:
            return False
        if now - count.last_at >= self._rest_seconds:
            del self._counts[name]
            return False
        return count.failures >= self._attempts

    def failed(self, name: str, now: float) -> None:
        """A wrong password was given."""
        count = self._counts.setdefault(name, _Count())
        count.failures += 1
        count.last_at = now
        self._counts.move_to_end(name)
        while len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def succeeded(self, name: str) -> None:
        """The right one was given: start again."""
        self._counts.pop(name, None)
