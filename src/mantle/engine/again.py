"""Making again what went wrong while it was made: the count, kept in the row.

As in Heat, a create whose object ends in error is not given up at once. The object is deleted and
made again, at most `action_retry_limit` times. The note says how often, and whether the broken
object is still being deleted; an engine that takes over goes on at that very place.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mantle.model.records import ResourceRecord
from mantle.resources.kit import Done, Failed

AGAIN = "again"
"""Where the note is in a row's data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """How often a create was begun again, and why the last time."""

    tries: int = 0
    clearing: bool = False
    """The broken object is being deleted."""
    reason: str = ""
    remedy: str = ""

    def begun(self, outcome: Done | Failed, limit: int) -> "Again | None":
        """The note of the next try; None when there is nothing to try or nothing left."""
        if not isinstance(outcome, Failed) or not outcome.in_error or self.tries >= limit:
            return None
        return Again(
            tries=self.tries + 1, clearing=True, reason=outcome.reason, remedy=outcome.remedy
        )

    def cleared(self) -> "Again":
        """The broken object is gone."""
        return replace(self, clearing=False)

    def stuck(self, failed: Failed) -> Failed:
        """The broken object cannot be deleted: what the resource ends with."""
        return Failed(
            reason=f"{self.reason}; it could not be deleted to be made again: {failed.reason}",
            remedy=failed.remedy or self.remedy,
        )

    def said(self, limit: int) -> str:
        """What the event says."""
        return f"{self.reason}; deleted and made again, {self.tries} of {limit}"

    def noted(self) -> dict[str, Any]:
        """As kept in the row."""
        return {
            "tries": self.tries,
            "clearing": self.clearing,
            "reason": self.reason,
            "remedy": self.remedy,
        }


NEVER = Again()


def again_of(row: ResourceRecord) -> Again:
    """The row's note; a row that never failed has tried nothing."""
    note: Mapping[str, Any] | None = row.data.get(AGAIN)
    return Again(**note) if note else NEVER
