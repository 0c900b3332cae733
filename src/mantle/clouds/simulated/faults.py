"""What can go wrong in the simulated cloud, decided by a seed."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Moment(StrEnum):
    """When a hook is called around a deed."""

    BEFORE = "before"
    """The call has arrived, nothing is done."""
    AFTER = "after"
    """The deed is done, the reply is not sent: the worst moment to lose one."""


Hook = Callable[[Moment, str], None]
"""Called with the moment and `collection.verb`; what it raises comes out of the call."""


@dataclass(slots=True, kw_only=True)
class Faults:
    """Probabilities from 0 to 1 of each fault in each call, and how long things take.

    All chance comes from `seed`: the same seed and the same calls give the same faults.
    """

    seed: int = 0
    lost_request: float = 0.0
    """The call fails and nothing was done."""
    lost_reply: float = 0.0
    """The call fails although the deed was done."""
    build_error: float = 0.0
    """A created object ends in ERROR."""
    latency_seconds: float = 0.0
    build_seconds: float = 0.0
    """From created to ACTIVE."""
    delete_seconds: float = 0.0
    """From the delete call to gone."""
    quota: int | None = None
    """Objects of one collection in one project, at most."""
    hook: Hook | None = None
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - simulated chance, not secrets

    def strikes(self, probability: float) -> bool:
        """Throw the dice; no throw at all for what cannot happen."""
        return probability > 0.0 and self.dice.random() < probability
