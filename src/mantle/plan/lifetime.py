"""What is due for a stack whose life has an end: a warning, its deletion, or nothing yet."""

from dataclasses import dataclass

from mantle.model.guards import StackGuard

LEADS = (3600.0, 600.0)
"""Seconds before the end at which warnings come, unless the stack says otherwise."""

MOST_LEADS = 10


@dataclass(frozen=True, slots=True)
class Nothing:
    """Look again at `at`."""

    at: float


@dataclass(frozen=True, slots=True)
class Warn:
    """Say that the end is near; `leads` have been warned of with that."""

    leads: tuple[float, ...]
    left: float
    """Seconds until the end."""


@dataclass(frozen=True, slots=True)
class End:
    """The time is over."""


Due = Nothing | Warn | End


def due(guard: StackGuard, now: float) -> Due:
    """What is to be done for this stack at this time.

    Leads that passed while nobody looked are warned of once, together.
    """
    assert guard.expires_at is not None, "only guards with an end are looked at"
    if now >= guard.expires_at:
        return End() if now >= guard.quiet_until else Nothing(guard.quiet_until)
    passed = tuple(
        lead for lead in guard.leads if lead not in guard.warned and now >= guard.expires_at - lead
    )
    if passed:
        return Warn((*guard.warned, *passed), guard.expires_at - now)
    ahead = [guard.expires_at - lead for lead in guard.leads if lead not in guard.warned]
    return Nothing(min([guard.expires_at, *ahead]))


def spoken(seconds: float) -> str:
    """A length of time as people say it: `1 h 30 min`, `45 s`."""
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest if not days else 0, "s")]
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"
