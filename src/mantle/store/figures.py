"""What the rows say to whoever runs Mantle, counted in one transaction: for metrics and doctor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from mantle.model.ids import OperationId
from mantle.model.interventions import Stuck
from mantle.model.status import OperationStatus
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store.backups import Taken, taken
from mantle.store.held import held
from mantle.store.moments import database_time
from mantle.store.tables.drift import drift_looks
from mantle.store.tables.sinks import event_sinks
from mantle.store.tables.stacks import engines, events, operations

AGES: Mapping[str, float] = {"1m": 60.0, "10m": 600.0, "1h": 3600.0, "6h": 21_600.0}
"""Of operations that have not ended: younger than that; what is older is `older`."""

MOST_COUNTED = 100_000
"""Events that wait for sinks; more are not counted further."""


NONE_TAKEN = Taken()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFigure:
    """One engine that has not said goodbye."""

    id: str
    host: str
    release: str | None
    silent_seconds: float
    held: int
    """Operations it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All of it at one moment. Ages in seconds, by the database's time."""

    now: float
    operations: Mapping[str, int]
    """By status."""
    live: Mapping[tuple[str, str], int]
    """By status and age."""
    oldest_seconds: Mapping[str, float]
    """By status."""
    stuck: Mapping[OperationId, Stuck]
    engines: Sequence[EngineFigure]
    sink_events: int
    sink_oldest_seconds: float
    sinks_failing: int
    drift_seconds: Mapping[str, float]
    """By cloud: since the project was looked at that was looked at longest ago."""
    backups: Taken = NONE_TAKEN
    """How scheduled backups went."""
    held: bool = False
    """Restored from a backup, and not reconciled yet."""


def read(connection: Connection, here: float) -> Figures:
    """Count; `here` is this process's time."""
    now = database_time(connection, here)
    live, oldest = _live(connection, now)
    waiting, first = _sinks(connection)
    failing = select(func.count()).where(event_sinks.c.attempts > 0)
    looked = select(drift_looks.c.cloud, func.min(drift_looks.c.looked_at)).group_by(
        drift_looks.c.cloud
    )
    return Figures(
        now=now,
        operations=operation_rows.counts(connection),
        live=live,
        oldest_seconds=oldest,
        stuck=look_rows.all_stuck(connection),
        engines=_engines(connection, now),
        sink_events=waiting,
        sink_oldest_seconds=0.0 if first is None else max(0.0, now - first),
        sinks_failing=connection.scalar(failing) or 0,
        drift_seconds={
            cloud: max(0.0, now - at) for cloud, at in connection.execute(looked) if at is not None
        },
        backups=taken(connection),
        held=held(connection) is not None,
    )


def _live(
    connection: Connection, now: float
) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    counts: dict[tuple[str, str], int] = {}
    oldest: dict[str, float] = {}
    for status in (OperationStatus.QUEUED, OperationStatus.RUNNING):
        mine = operations.c.status == status
        left = connection.scalar(select(func.count()).where(mine)) or 0
        for age, seconds in AGES.items():
            before = select(func.count()).where(mine, operations.c.created_at <= now - seconds)
            older = connection.scalar(before) or 0
            counts[status.value, age] = left - older
            left = older
        counts[status.value, "older"] = left
        first = connection.scalar(select(func.min(operations.c.created_at)).where(mine))
        oldest[status.value] = 0.0 if first is None else max(0.0, now - first)
    return counts, oldest


def _engines(connection: Connection, now: float) -> list[EngineFigure]:
    held = (
        select(func.count())
        .where(
            operations.c.engine == engines.c.id,
            operations.c.status.in_((OperationStatus.QUEUED, OperationStatus.RUNNING)),
        )
        .scalar_subquery()
    )
    query = select(
        engines.c.id, engines.c.host, engines.c.release, engines.c.beat_at, held.label("held")
    )
    return [
        EngineFigure(
            id=row.id,
            host=row.host,
            release=row.release,
            silent_seconds=max(0.0, now - row.beat_at),
            held=row.held,
        )
        for row in connection.execute(
            query.where(engines.c.stopped_at.is_(None)).order_by(engines.c.started_at)
        )
    ]


def _sinks(connection: Connection) -> tuple[int, float | None]:
    waiting = (
        select(events.c.at)
        .join(event_sinks, event_sinks.c.stack_id == events.c.stack_id)
        .where(
            events.c.sequence > event_sinks.c.sequence,
            or_(event_sinks.c.last.is_(None), events.c.sequence <= event_sinks.c.last),
        )
        .limit(MOST_COUNTED)
        .subquery()
    )
    row = connection.execute(select(func.count(), func.min(waiting.c.at))).one()
    return row[0], row[1]
