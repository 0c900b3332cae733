"""A plan is accepted only while the rows it was made from are as they were read.

Planning takes a while and holds no lock. An operation may end, or come and go, between the reading
of the rows and the transaction that accepts the plan; so that transaction looks once more.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from mantle.model.errors import Conflict
from mantle.model.records import ResourceRecord, StackRecord
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection

T = TypeVar("T")

RIVALS = 5
"""Operations of others that may come or end in the moment of a request that is not refused."""


class Moved(Conflict):
    """What was read is no longer what is there. Asked again, it is read anew."""


def refuse_moved(
    connection: Connection, now: StackRecord, read: StackRecord, rows: Sequence[ResourceRecord]
) -> None:
    """Raise `Moved` unless the stack is at rest, and it and all of its rows are as they were read.

    `now` is the stack in this transaction.
    """
    if (
        now.source_id != read.source_id
        or operation_rows.live_of_stack(connection, now.id)
        or resource_rows.versions_of(connection, now.id) != {row.id: row.version for row in rows}
    ):
        raise Moved(
            f"Stack {now.name!r} was changed by someone else in this moment.",
            remedy="Look at it and ask again.",
        )


async def anew(attempt: Callable[[], Awaitable[T]]) -> T:
    """Plan and accept once more whenever the rows have moved meanwhile."""
    for _ in range(RIVALS):
        with contextlib.suppress(Moved):
            return await attempt()
    return await attempt()
