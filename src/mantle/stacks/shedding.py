"""What is refused at the door while the database cannot keep up, and what is not.

Refused, with 503 and Retry-After: new operations and saved plans while writes are slow (`accept`),
and questions while too many wait. Each of those would wait behind all the others, keep its memory,
and be answered when its client has long gone.

Never refused: signals, as many a sender says its word once; what servers ask of their metadata,
which is cheap and is asked again; tokens, as nothing can be asked without; cancelling, which makes
less to do; and what operations read and write, which were accepted.
"""

from mantle.lib.measures import REFUSED_BUSY, REFUSED_QUESTIONS
from mantle.model.errors import Busy
from mantle.stacks.control import Control

QUESTIONS = {"GET", "HEAD"}


def refuse_questions_when_full(control: Control, method: str) -> None:
    """Raise `Busy` for one more question when as many wait for the readers as may."""
    most = control.settings.reads_waiting
    if method in QUESTIONS and 0 < most <= control.database.reads.pending:
        REFUSED_QUESTIONS.inc()
        raise Busy(
            "The database is slow, and as many questions wait for it as may.",
            remedy=f"Try again in {Busy.retry_after_seconds} seconds.",
        )


def refuse_work_when_slow(control: Control) -> None:
    """Raise `Busy` for what would be written while writes wait for long, or many do."""
    settings, writes = control.settings, control.database.writes
    slow = 0 < settings.database_seconds <= writes.strain_seconds()
    if slow or 0 < settings.writes_waiting <= writes.pending:
        REFUSED_BUSY.inc()
        raise Busy(
            "The database is slow, and there is as much to write as it can bear.",
            remedy=f"Nothing was changed. Try again in {Busy.retry_after_seconds} seconds.",
        )
