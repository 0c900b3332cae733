"""What an engine of several may believe of itself: that what it holds is its own.

The fence keeps a former holder from writing rows; it cannot keep it from calling a cloud. So no
deed is begun in doubt. An engine is *sure* for one lease from the moment it asked for its last
beat, by its own clock; nobody gives it up before. When it was silent for longer, that is a *lapse*:
whatever it held may be another's, and each walk proves with a write that it is not (see
`resource.Drive`).

Note: frozen before the deed. A has written that it is about to make a network, and is frozen. B
takes over, makes the network with the same token, and deletes it again with its stack. A wakes: its
next instruction is to make the network, which nobody would ever delete. Its clock says that it has
not spoken for longer than a lease, so it asks first, and learns that the operation is B's.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Membership:
    """One engine's. An engine alone never lapses. Times are seconds by the engine's own clock."""

    lease_seconds: float = float("inf")
    spoken_at: float = 0.0
    """When the last beat that took place was asked for."""
    lapses: int = 0
    """How often it may have been given up."""

    def spoke(self, asked_at: float, *, given_up: bool = False) -> None:
        """A beat has taken place."""
        if given_up or not self.sure(asked_at):
            self.lapses += 1
        self.spoken_at = asked_at

    def sure(self, now: float) -> bool:
        """Whether nobody can have given this engine up."""
        return now - self.spoken_at < self.lease_seconds
