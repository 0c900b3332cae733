"""Chance that is a function: the same question of the same seed has the same answer.

A generator with a state would give all later answers anew when one question more is asked. Here
every question has a name, so that a run that lacks one fault is else the same run.
"""

from collections.abc import Sequence
from typing import TypeVar

from mantle.clouds.simulated.world import hash_of

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    """64 well mixed bits of a number (the finaliser of SplitMix64)."""
    value = (value + _GOLDEN) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


class Dice:
    """A stream of its own for every name."""

    __slots__ = ("_state",)

    def __init__(self, seed: int, name: str = "", number: int = 0) -> None:
        self._state = mixed(mixed(seed) ^ mixed(hash_of(name)) ^ mixed(number * 2 + 1))

    def bits(self) -> int:
        """64 of them."""
        self._state = (self._state + _GOLDEN) & _MASK
        return mixed(self._state)

    def unit(self) -> float:
        """At least 0, below 1."""
        return (self.bits() >> 11) / (1 << 53)

    def between(self, low: float, high: float) -> float:
        """A number of this range."""
        return low + (high - low) * self.unit()

    def below(self, bound: int) -> int:
        """A whole number from 0."""
        return self.bits() % bound

    def strikes(self, probability: float) -> bool:
        """True as often as this."""
        return self.unit() < probability

    def choice(self, options: Sequence[T]) -> T:
        """One of them."""
        return options[self.below(len(options))]

    def weighted(self, options: Sequence[tuple[T, float]]) -> T:
        """One of them, each as often as its weight says."""
        point = self.unit() * sum(weight for _, weight in options)
        for option, weight in options:
            point -= weight
            if point < 0:
                return option
        return options[-1][0]

    def bytes(self, count: int) -> bytes:
        """So many bytes."""
        words = (self.bits().to_bytes(8, "big") for _ in range(-(-count // 8)))
        return b"".join(words)[:count]

    def uuid(self) -> str:
        """An id in the form of a UUID."""
        digits = self.bytes(16).hex()
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:]}"
