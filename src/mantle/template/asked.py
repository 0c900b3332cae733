"""Values that only a cloud can check: collected while a template is loaded, asked about afterwards.

Loading is pure and asks nobody. What a service's constraint (`nova.flavor`) says of a value is
therefore written down here with its place, and whoever has a cloud at hand asks it in bulk: one
list for each kind of thing, however many resources name one.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mantle.model.errors import Path, Problem

EXPIRATION = "expiration"
"""The constraint on a time that must not be over."""

Place = tuple[str, str, Path, str]
"""Constraint, value, path and file."""

SHOWN = 12
"""Of what a cloud offers, so many are named in a remedy."""

MASK = "******"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One value, the constraint it has to meet, and how a problem with it is told."""

    constraint: str
    """`nova.flavor`"""
    value: str
    problem: Problem
    """With its place; the message is the beginning of what will be said."""
    about: str = ""
    """The constraint's own description, which is said first."""
    secret: bool = False

    @property
    def place(self) -> Place:
        """Equal for the same value at the same place of an older template."""
        mark = self.problem.mark
        return self.constraint, self.value, self.problem.path, mark.file if mark else ""

    def told(self, why: str, remedy: str) -> Problem:
        """The problem, when the value does not do."""
        said = MASK if self.secret else why
        return replace(
            self.problem,
            message=f"{self.problem.message}{self.about or said}",
            remedy="Give one that fits." if self.secret else remedy,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a cloud has of one kind: ids, and the name of each."""

    noun: str
    """`flavor`"""
    cloud: str
    things: Sequence[tuple[str, str]]
    always: tuple[str, ...] = ()
    """Names that stand for something in every project, listed or not."""

    def judge(self, asked: Asked) -> Problem | None:
        """What is wrong with the value, or None."""
        value = asked.value
        if value in self.always or any(value == thing_id for thing_id, _ in self.things):
            return None
        same = [thing_id for thing_id, name in self.things if name == value]
        if len(same) == 1:
            return None
        begin = f"Error validating value '{value}': "
        if same:
            return asked.told(
                f"{begin}there are {len(same)} of this name on cloud {self.cloud!r}: "
                f"the {self.noun} is ambiguous.",
                f"Use an id instead: {_some(same)}.",
            )
        return asked.told(
            f"{begin}The {self.noun} ({value}) could not be found.", self._instead(value)
        )

    def _instead(self, value: str) -> str:
        names = sorted({name or thing_id for thing_id, name in self.things} | set(self.always))
        if not names:
            return f"Cloud {self.cloud!r} has no {self.noun} in this project yet."
        near = difflib.get_close_matches(value, names, n=1)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        return f"{guess}Cloud {self.cloud!r} has: {_some(names)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class NoService:
    """The cloud has no such service: nothing could ever meet the constraint."""

    service: str
    cloud: str

    def judge(self, asked: Asked) -> Problem:
        """Always a problem."""
        return asked.told(
            f"the constraint {asked.constraint} asks the service {self.service!r}, which cloud "
            f"{self.cloud!r} does not have.",
            "Leave the value out, or make the stack on a cloud that has the service.",
        )


def moment_of(value: object) -> datetime | None:
    """An ISO 8601 time, in UTC when it names no zone; None when the text is none."""
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """What time it is: a time has to be later."""

    now: float
    """Seconds since the epoch."""

    def judge(self, asked: Asked) -> Problem | None:
        """What is wrong with the value; a text that is no time is told by its form."""
        moment = moment_of(asked.value)
        if moment is None or moment.timestamp() > self.now:
            return None
        return asked.told(
            f"Expiration {asked.value} is invalid: Expiration time is out of date.",
            "Give a time that is still to come.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAsked:
    """Nobody could be asked: the value may be right or wrong."""

    why: str

    def judge(self, asked: Asked) -> None:
        """Nothing is known against it."""
        del asked

    def warning(self, asked: Sequence[Asked]) -> Problem:
        """One warning for all the values of a constraint, at the place of the first."""
        first = asked[0]
        more = f" and {len(asked) - 1} more" if len(asked) > 1 else ""
        value = MASK if first.secret else repr(first.value)
        return replace(
            first.problem,
            code="unchecked",
            message=f"{value}{more}: not checked against {first.constraint}: {self.why}",
            remedy="A wrong value would show when the resource is made.",
        )


Answer = Offered | NoService | Ahead | NotAsked


def _some(names: Sequence[str]) -> str:
    more = f", … ({len(names)} in all)" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
