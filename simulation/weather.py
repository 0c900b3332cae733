"""Which fault strikes at which moment.

A *boundary* is a moment before or after something leaves its process: a transaction, or a call of a
cloud. Boundaries are counted over the whole run; the fault of each is a function of the seed and of
its number, or is read from a list, which is how a run is repeated with some of its faults left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from simulation.chance import Dice
from simulation.schedule import Rates


class Kind(StrEnum):
    """What can go wrong."""

    CRASH = "crash"
    """The process is gone, and starts anew after a while."""
    FREEZE = "freeze"
    """The process does nothing for a while and does not know it."""
    PARTITION = "partition"
    """The process does not reach the database for a while; a reply on its way is lost."""
    SLOW = "slow"
    """This crossing takes long."""
    AGAIN = "again"
    """The transaction met another's and is done again."""
    LOST_REQUEST = "lost request"
    """The cloud has not heard."""
    LOST_REPLY = "lost reply"
    """The cloud has done it, and its answer is lost."""


class Side(StrEnum):
    """Of a boundary."""

    BEFORE = "before"
    AFTER = "after"


class Place(StrEnum):
    """Where it leads to."""

    READ = "read"
    MEMBER = "member"
    """A write about who is there and who takes what: beats, leases, the queue."""
    WRITE = "write"
    CLOUD = "cloud"


@dataclass(frozen=True, slots=True)
class Fault:
    """At one boundary."""

    at: int
    """The boundary's number."""
    kind: Kind
    seconds: float = 0.0
    """How long it lasts; of a crash, until the process is back."""


_POSSIBLE: Mapping[tuple[Place, Side], tuple[Kind, ...]] = {
    (Place.READ, Side.BEFORE): (Kind.FREEZE, Kind.PARTITION, Kind.SLOW),
    (Place.READ, Side.AFTER): (Kind.FREEZE, Kind.SLOW),
    (Place.MEMBER, Side.BEFORE): (
        Kind.CRASH, Kind.FREEZE, Kind.PARTITION, Kind.SLOW, Kind.AGAIN,
    ),
    (Place.MEMBER, Side.AFTER): (Kind.CRASH, Kind.FREEZE, Kind.PARTITION, Kind.SLOW),
    (Place.WRITE, Side.BEFORE): (
        Kind.CRASH, Kind.FREEZE, Kind.PARTITION, Kind.SLOW, Kind.AGAIN,
    ),
    (Place.WRITE, Side.AFTER): (Kind.CRASH, Kind.FREEZE, Kind.PARTITION, Kind.SLOW),
    # What has left for a cloud cannot be called back, and clouds have no fences: a freeze is at a
    # read or a write of the database (see docs/reliability.md).
    (Place.CLOUD, Side.BEFORE): (Kind.CRASH, Kind.SLOW, Kind.LOST_REQUEST),
    (Place.CLOUD, Side.AFTER): (Kind.CRASH, Kind.SLOW, Kind.LOST_REPLY),
}  # fmt: skip


OFTEN: Mapping[Place, float] = {Place.MEMBER: 0.3, Place.CLOUD: 2.0}
"""How much more often something strikes there: a member's own writes are most of all there are,
calls of clouds the fewest."""


@dataclass(slots=True)
class Weather:
    """Of one run: drawn from the rates, or read from `told`."""

    seed: int
    rates: Rates
    lease_seconds: float
    told: Mapping[int, Fault] | None = None
    boundaries: int = 0
    struck: list[Fault] = field(default_factory=list)
    fine: bool = False
    """Nothing strikes any more."""
    _table: dict[tuple[Place, Side], list[tuple[Kind, float]]] = field(init=False)

    def __post_init__(self) -> None:
        rate = {
            Kind.CRASH: self.rates.crash,
            Kind.FREEZE: self.rates.freeze,
            Kind.PARTITION: self.rates.partition,
            Kind.SLOW: self.rates.slow,
            Kind.AGAIN: self.rates.again,
            Kind.LOST_REQUEST: self.rates.lost_request,
            Kind.LOST_REPLY: self.rates.lost_reply,
        }
        self._table = {
            where: [
                (kind, min(0.6, rate[kind] * OFTEN.get(where[0], 1.0)))
                for kind in kinds
                if rate[kind] > 0
            ]
            for where, kinds in _POSSIBLE.items()
        }

    def at(self, place: Place, side: Side) -> Fault | None:
        """What strikes at the next boundary."""
        self.boundaries += 1
        if self.fine:
            return None
        if self.told is not None:
            fault = self.told.get(self.boundaries)
            if fault is not None and fault.kind not in _POSSIBLE[place, side]:
                return None
        else:
            fault = self._drawn(place, side)
        if fault is not None:
            self.struck.append(fault)
        return fault

    def _drawn(self, place: Place, side: Side) -> Fault | None:
        if len(self.struck) >= self.rates.most:
            return None
        dice = Dice(self.seed, "", self.boundaries)
        point = dice.unit()
        for kind, rate in self._table[place, side]:
            point -= rate
            if point < 0:
                return Fault(self.boundaries, kind, self._seconds(kind, dice))
        return None

    def _seconds(self, kind: Kind, dice: Dice) -> float:
        """Shorter than the lease, about as long, and longer: all three are to happen."""
        lease = self.lease_seconds
        match kind:
            case Kind.CRASH:
                return dice.choice((0.05, 0.05, 0.3, lease / 2, lease * 1.5))
            case Kind.FREEZE | Kind.PARTITION:
                return dice.choice((lease / 2, lease, lease * 1.5, lease * 4))
            case Kind.SLOW:
                return dice.choice((0.2, lease / 2, lease))
            case _:
                return 0.0

    def delay(self) -> float:
        """How long this crossing takes in fine weather: it decides who is first."""
        return Dice(self.seed, "delay", self.boundaries).unit() * 0.004


def told(faults: Sequence[Fault]) -> Mapping[int, Fault]:
    """By boundary."""
    return {fault.at: fault for fault in faults}
