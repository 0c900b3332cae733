"""A failing run with everything taken away that it does not need, written as a test."""

from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from enum import Enum
from typing import Any, TypeVar

from simulation.plant import Doors
from simulation.run import Report, apart, simulate
from simulation.schedule import Rates, Schedule
from simulation.weather import Fault

T = TypeVar("T")


@dataclass(slots=True)
class Tries:
    """How many runs may still be spent."""

    left: int

    def fails(self, schedule: Schedule, faults: Sequence[Fault], doors: Doors | None) -> bool:
        """Whether this run breaks a promise; False when there are no tries left."""
        if self.left <= 0:
            return False
        self.left -= 1
        try:
            return bool(apart(lambda: simulate(schedule, faults, doors=doors)).wrongs)
        except RuntimeError:
            return False


def shrunk(report: Report, *, tries: int = 150, doors: Doors | None = None) -> Report:
    """The same failure, or another, with fewer faults and requests.

    Without its faults a run is else the same, so what remains is mostly the very faults that
    matter; a run that no longer fails is never taken for smaller.
    """
    budget = Tries(tries)
    schedule, faults = replace(report.schedule, rates=Rates()), report.faults
    if not budget.fails(schedule, faults, doors):
        return report
    faults = _fewer(faults, lambda kept: budget.fails(schedule, kept, doors))
    requests = _fewer(
        schedule.requests,
        lambda kept: budget.fails(replace(schedule, requests=tuple(kept)), faults, doors),
    )
    schedule = replace(schedule, requests=tuple(requests))
    faults = _fewer(faults, lambda kept: budget.fails(schedule, kept, doors))
    return apart(lambda: simulate(schedule, faults, doors=doors))


def _fewer(things: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> tuple[T, ...]:
    """Drop halves, quarters, … as long as it fails without them (delta debugging)."""
    kept = tuple(things)
    size = max(1, len(kept) // 2)
    while kept:
        start = 0
        while start < len(kept):
            without = kept[:start] + kept[start + size :]
            if fails(without):
                kept = without
            else:
                start += size
        if size == 1:
            break
        size //= 2
    return kept


def as_test(report: Report) -> str:
    """Python text of a test that fails as this run did, ready to be kept."""
    said = "\n".join(f"    #   {each}" for each in report.wrongs[:5])
    return f'''from simulation.run import apart, simulate
from simulation.schedule import Rates, Request, Schedule, Setting, Verb
from simulation.shapes import Shape
from simulation.weather import Fault, Kind


def test_seed_{report.schedule.seed}():
    """Found by `make simulate SEEDS={report.schedule.seed}`."""
    # It said:
{said}
    schedule = {_text(report.schedule)}
    faults = {_text(tuple(report.faults))}
    assert apart(lambda: simulate(schedule, faults)).wrongs == ()
'''


def _text(value: Any) -> str:
    """A value as Python; what has its default is left out."""
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple):
        inner = ", ".join(_text(each) for each in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if is_dataclass(value) and not isinstance(value, type):
        given = ", ".join(
            f"{each.name}={_text(getattr(value, each.name))}"
            for each in fields(value)
            if each.default is MISSING or getattr(value, each.name) != each.default
        )
        return f"{type(value).__name__}({given})"
    return repr(value)
