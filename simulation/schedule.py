"""What is asked of the control plane: a function of the seed. Pure."""

from dataclasses import dataclass, replace
from enum import StrEnum

from simulation.chance import Dice
from simulation.shapes import Shape, first_shape, next_shape


class Verb(StrEnum):
    """What a person may ask of a stack."""

    CREATE = "create"
    UPDATE = "update"
    PLAN = "plan and apply"
    DELETE = "delete"
    SUSPEND = "suspend"
    RESUME = "resume"
    CHECK = "check"
    SNAPSHOT = "snapshot"
    RESTORE = "restore"
    CANCEL = "cancel"
    BACK = "cancel and roll back"
    RETRY = "retry"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One thing that is asked."""

    stack: str
    verb: Verb
    shape: Shape | None = None
    settled: bool = True
    """Asked when the stack's operations have ended; else at once, in the midst of them."""
    pause_seconds: float = 0.0
    """Before it is asked."""
    twice: bool = False
    """Its delivery is doubled: the same request arrives at two processes at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """How the control plane is set up."""

    alone: bool = False
    """One process does all of it, as `mantle up`; else engines and APIs share the database."""
    engines: int = 3
    apis: int = 1
    lease_seconds: float = 3.0
    build_seconds: float = 0.5
    delete_seconds: float = 0.3
    build_error: float = 0.0
    """How often an object ends in ERROR instead of being there."""
    skew_seconds: float = 0.0
    """How far processes' clocks may be off, each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How often what goes wrong, for each boundary that is crossed."""

    crash: float = 0.0
    freeze: float = 0.0
    partition: float = 0.0
    slow: float = 0.0
    again: float = 0.0
    """A transaction meets another's and is done again."""
    lost_request: float = 0.0
    lost_reply: float = 0.0
    most: int = 0
    """Faults of one run; after so many the weather is fine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All of a run but the weather itself."""

    seed: int
    setting: Setting
    rates: Rates
    requests: tuple[Request, ...]


_AFTER: tuple[tuple[Verb, float], ...] = (
    (Verb.UPDATE, 8),
    (Verb.PLAN, 2),
    (Verb.CANCEL, 1),
    (Verb.BACK, 1),
    (Verb.SUSPEND, 1),
    (Verb.CHECK, 1),
    (Verb.SNAPSHOT, 1),
    (Verb.RETRY, 1),
    (Verb.DELETE, 1),
)


def schedule_of(seed: int) -> Schedule:
    """Of this seed."""
    dice = Dice(seed, "schedule")
    requests: list[Request] = []
    for number in range(1 + dice.below(3)):
        requests += _story(Dice(seed, "story", number), f"s{number}")
    return Schedule(
        seed=seed, setting=_setting(dice), rates=_rates(dice), requests=_shuffled(dice, requests)
    )


def often_frozen(schedule: Schedule) -> Schedule:
    """The same, asked of three engines that are frozen far more often than any seed says.

    For what goes wrong only between engines that take each other for dead.
    """
    rates = schedule.rates
    return replace(
        schedule,
        setting=replace(schedule.setting, alone=False, engines=3, lease_seconds=1.5),
        rates=replace(rates, freeze=0.05, crash=min(0.15, rates.crash), most=300),
    )


def _setting(dice: Dice) -> Setting:
    return Setting(
        alone=dice.strikes(0.4),
        engines=1 + dice.below(3),
        apis=1 + dice.below(2),
        lease_seconds=dice.choice((1.5, 3.0, 12.0)),
        build_seconds=dice.choice((0.0, 0.3, 2.0)),
        delete_seconds=dice.choice((0.0, 0.3)),
        build_error=dice.choice((0.0, 0.0, 0.1)),
        skew_seconds=dice.choice((0.0, 2.0, 30.0)),
    )


def _rates(dice: Dice) -> Rates:
    """Storms of one kind, and all kinds together; some are so thick that hardly a step is done."""
    some = dice.choice((0.0, 0.01, 0.03))
    return Rates(
        crash=dice.choice((0.03, 0.15, 0.3, 0.45, 0.55)),
        freeze=dice.choice((0.0, 0.0, some)),
        partition=dice.choice((0.0, 0.0, some)),
        slow=dice.choice((0.0, 0.02, 0.1)),
        again=dice.choice((0.0, 0.05)),
        lost_request=dice.choice((0.0, some)),
        lost_reply=dice.choice((0.0, some, 0.1)),
        most=dice.choice((60, 300, 600, 1200)),
    )


def _story(dice: Dice, stack: str) -> list[Request]:
    shape = first_shape(dice, stack)
    story = [_request(dice, stack, Verb.CREATE, shape)]
    for _ in range(dice.below(4)):
        verb = dice.weighted(_AFTER)
        wanted = None
        if verb in {Verb.UPDATE, Verb.PLAN}:
            wanted = shape = next_shape(dice, shape)
        story.append(_request(dice, stack, verb, wanted))
        if verb is Verb.SUSPEND:
            story.append(_request(dice, stack, Verb.RESUME))
        if verb is Verb.SNAPSHOT and dice.strikes(0.7):
            story.append(_request(dice, stack, Verb.RESTORE))
        if verb is Verb.DELETE:
            shape = first_shape(dice, stack)
            story.append(_request(dice, stack, Verb.CREATE, shape))
    story.append(Request(stack=stack, verb=Verb.DELETE, settled=dice.strikes(0.8)))
    return story


def _request(dice: Dice, stack: str, verb: Verb, shape: Shape | None = None) -> Request:
    midst = verb in {Verb.CANCEL, Verb.BACK, Verb.RETRY}
    return Request(
        stack=stack,
        verb=verb,
        shape=shape,
        settled=False if midst else dice.strikes(0.7),
        pause_seconds=dice.choice((0.0, 0.05, 0.5, 2.0)) if midst else dice.choice((0.0, 0.1, 1.0)),
        twice=dice.strikes(0.1),
    )


def _shuffled(dice: Dice, requests: list[Request]) -> tuple[Request, ...]:
    """Those of one stack stay in their order."""
    left: dict[str, list[Request]] = {}
    for each in requests:
        left.setdefault(each.stack, []).append(each)
    mixed: list[Request] = []
    while left:
        stack = dice.choice(sorted(left))
        mixed.append(left[stack].pop(0))
        if not left[stack]:
            del left[stack]
    return tuple(mixed)
