"""Who performs what, where several engines share a database: beats, leases, and the queue.

An engine's lease is its last beat, by the database's time. An operation in the queue belongs to
nobody (`engine` is empty) until an engine takes it; what a dead engine held goes back there with a
new epoch, so that its late writes find a fence (see `journal`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, bindparam, exists, func, select, text, update

from mantle.model.ids import OperationId, ProjectId
from mantle.model.status import OperationStatus
from mantle.store.held import held
from mantle.store.moments import database_time
from mantle.store.operations import known_format
from mantle.store.tables.stacks import engines, operations, stacks

_LIVE = (OperationStatus.QUEUED, OperationStatus.RUNNING)

CHANNEL = "mantle_operations"
"""Where PostgreSQL tells that there is something in the queue."""

LOOKED_AT = 500
"""Operations of the queue's front that one engine looks at in one go."""


# Asked all day long, and so built once: to build a statement takes longer than to run it.
_GIVEN_UP = select(engines.c.stopped_at).where(engines.c.id == bindparam("me"))
_BEAT = (
    update(engines)
    .where(engines.c.id == bindparam("me"))
    .values(beat_at=bindparam("now"), stopped_at=None)
)
_SPOKEN = (
    update(engines)
    .where(engines.c.id == bindparam("me"), engines.c.stopped_at.is_(None))
    .values(beat_at=bindparam("now"))
)
_EXPIRED = select(engines.c.id).where(
    engines.c.stopped_at.is_(None), engines.c.beat_at < bindparam("oldest")
)
_STOPPED = (
    update(engines).where(engines.c.id == bindparam("gone")).values(stopped_at=bindparam("now"))
)
_BACK = (
    update(operations)
    .where(operations.c.engine == bindparam("gone"), operations.c.status.in_(_LIVE))
    .values(epoch=operations.c.epoch + 1, engine="", status=OperationStatus.QUEUED)
    .returning(operations.c.id)
)
_ALIVE = select(func.count()).where(engines.c.stopped_at.is_(None))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An operation in the queue."""

    id: OperationId
    project_id: ProjectId
    epoch: int
    created_at: float
    nested: bool
    """Of a stack inside another, whose operation waits for it."""


def beat(connection: Connection, engine: str, here: float) -> bool:
    """This engine is alive; false when it had been given up meanwhile."""
    now = database_time(connection, here)
    given_up = connection.scalar(_GIVEN_UP, {"me": engine})
    connection.execute(_BEAT, {"me": engine, "now": now})
    return given_up is None


def expired(connection: Connection, here: float, lease_seconds: float) -> list[str]:
    """Engines that fell silent without a goodbye."""
    oldest = database_time(connection, here) - lease_seconds
    return list(connection.scalars(_EXPIRED, {"oldest": oldest}))


def take_over(
    connection: Connection, engine: str, here: float, lease_seconds: float
) -> list[OperationId] | None:
    """Put what a silent engine held back into the queue; None when it has spoken meanwhile."""
    if engine not in expired(connection, here, lease_seconds):
        return None
    now = database_time(connection, here)
    connection.execute(_STOPPED, {"gone": engine, "now": now})
    return give_back(connection, engine)


def give_back(connection: Connection, engine: str) -> list[OperationId]:
    """Put all that an engine holds back into the queue, out of its own reach."""
    return [OperationId(each) for each in connection.scalars(_BACK, {"gone": engine})]


def front(connection: Connection) -> list[Waiting]:
    """The queue's front, in the order they came: what no earlier operation of its stack holds up.

    What a newer release has accepted is left to its engines.
    On PostgreSQL the rows are locked, and those that another engine looks at are left out. While
    the database is held (see `held`) there is nothing to take.
    """
    if held(connection) is not None:
        return []
    return [
        Waiting(
            id=row.id,
            project_id=row.project_id,
            epoch=row.epoch,
            created_at=row.created_at,
            nested=row.parent_id is not None,
        )
        for row in connection.execute(_FRONT)
    ]


def _front() -> Select[Any]:
    earlier = operations.alias("earlier")
    held_up = exists().where(
        earlier.c.stack_id == operations.c.stack_id,
        earlier.c.sequence < operations.c.sequence,
        earlier.c.status.in_(_LIVE),
    )
    return (
        select(
            operations.c.id,
            operations.c.project_id,
            operations.c.epoch,
            operations.c.created_at,
            select(stacks.c.parent_id)
            .where(stacks.c.id == operations.c.stack_id)
            .scalar_subquery()
            .label("parent_id"),
        )
        .where(
            operations.c.status == OperationStatus.QUEUED,
            operations.c.engine == "",
            known_format(),
            ~held_up,
        )
        .order_by(operations.c.sequence)
        .limit(LOOKED_AT)
        .with_for_update(skip_locked=True, of=operations)
    )


_FRONT = _front()


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """How many operations one engine holds for one project, those it only took included."""

    engine: str
    project_id: ProjectId
    nested: bool
    count: int


_NESTED = stacks.c.parent_id.is_not(None)
_UNDER_WAY = (
    select(operations.c.engine, operations.c.project_id, _NESTED, func.count())
    .join(stacks, stacks.c.id == operations.c.stack_id)
    .where(operations.c.status.in_(_LIVE), operations.c.engine != "")
    .group_by(operations.c.engine, operations.c.project_id, _NESTED)
)


def under_way(connection: Connection) -> list[UnderWay]:
    """What is with engines, counted."""
    return [
        UnderWay(engine=engine, project_id=project, nested=bool(inner), count=count)
        for engine, project, inner, count in connection.execute(_UNDER_WAY)
    ]


def alive(connection: Connection) -> int:
    """How many engines there are."""
    return connection.scalar(_ALIVE) or 0


def assign(connection: Connection, engine: str, chosen: Sequence[OperationId], here: float) -> bool:
    """These are this engine's, which claims each when it begins with it.

    False, with nothing taken, when the engine has been given up and has not beaten since.

    Note: given up, then taking. A is frozen and given up: what it held is back in the queue. It
    wakes, takes from the queue before its next beat, and dies. Nobody would look for what a member
    that is gone holds, so it may take only while it is one. To take is a beat: whoever is giving A
    up in this moment writes the same row, and one of the two sees the other.
    """
    spoken = connection.execute(_SPOKEN, {"me": engine, "now": database_time(connection, here)})
    if not spoken.rowcount:
        return False
    connection.execute(update(operations).where(operations.c.id.in_(chosen)).values(engine=engine))
    return True


def call(connection: Connection) -> None:
    """Wake the engines that listen."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"NOTIFY {CHANNEL}"))
