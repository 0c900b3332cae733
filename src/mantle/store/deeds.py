"""What has been written on behalf of one request, so that a refusal says what is true.

A request may write in several transactions. When the database goes away in the midst of it,
"nothing was changed" holds only if none of them was committed, and none is in doubt. Whoever
answers requests puts each into a context of its own (`request`); the database notes there what it
has written.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from dataclasses import dataclass

from mantle.model.errors import Unavailable, Undecided


@dataclass(slots=True)
class Deeds:
    """Of one request; `request_id` is what its operations are stored with."""

    request_id: str = ""
    written: bool = False
    """A transaction of it was committed, and it wrote something."""


_NOBODY = Deeds()

_current: contextvars.ContextVar[Deeds] = contextvars.ContextVar("deeds", default=_NOBODY)


@contextlib.contextmanager
def request(request_id: str) -> Iterator[None]:
    """All that is written within, in tasks begun within as well, is this request's."""
    token = _current.set(Deeds(request_id))
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Deeds:
    """Of the request that is being answered; outside of any, one that knows of nothing."""
    return _current.get()


def note_written(deeds: Deeds) -> None:
    """A transaction that wrote something was committed."""
    if deeds is not _NOBODY:
        deeds.written = True


def away(why: str, deeds: Deeds, *, doubtful: bool) -> Unavailable:
    """What to raise when the database has been waited for long enough.

    `doubtful`: a COMMIT was sent, and its answer has not come.
    """
    message = f"The database does not answer ({why})"
    if not doubtful and not deeds.written:
        return Unavailable(f"{message}.", remedy="Nothing was changed. Try again later.")
    asking = "Look what is there before you ask again, once it does."
    if deeds.request_id:
        asking += (
            f" If an operation was accepted, mantle operation list --request {deeds.request_id} "
            "has it."
        )
    if doubtful:
        said = "and it did not say whether the change was made: that is not known yet."
    else:
        said = "and a part of what was asked had been written before."
    return Undecided(f"{message}, {said}", remedy=asking)
