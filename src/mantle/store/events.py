"""Events, signals, engines and settings."""

import secrets
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, insert, select, update

from mantle import __version__
from mantle.model.event import Event, Signal
from mantle.model.ids import ProjectId, ResourceId, StackId
from mantle.model.release import OPERATION_FORMAT
from mantle.store.bulk import insert_rows
from mantle.store.horizon import enter
from mantle.store.rows import event_of, event_values
from mantle.store.sealed import open_json, open_text, place, placed
from mantle.store.tables.base import Closed, Placed, sealer_of
from mantle.store.tables.stacks import engines, events, settings, signals, stacks


def add(connection: Connection, new: Sequence[Event]) -> None:
    """Append events; the database gives their sequence."""
    if new:
        enter(connection)
        insert_rows(connection, events, [event_values(event) for event in new])


def after(
    connection: Connection, stack_ids: Sequence[StackId], sequence: int, limit: int = 1000
) -> list[Event]:
    """Events of these stacks behind a cursor, oldest first."""
    query = select(events).where(events.c.stack_id.in_(stack_ids), events.c.sequence > sequence)
    return [
        event_of(row) for row in connection.execute(query.order_by(events.c.sequence).limit(limit))
    ]


def listing(
    connection: Connection,
    stack_ids: Sequence[StackId],
    *,
    resource: str | None = None,
    marker: str | None = None,
    ascending: bool = False,
    limit: int | None = None,
    until: int | None = None,
) -> list[Event]:
    """Events of these stacks; newest first unless `ascending`. An unknown marker is ignored.

    `until` is the horizon, for whoever goes on later behind the last.
    """
    query = select(events).where(events.c.stack_id.in_(stack_ids))
    if until is not None:
        query = query.where(events.c.sequence <= until)
    if resource is not None:
        query = query.where(events.c.resource == resource)
    if marker is not None:
        last = connection.scalar(select(events.c.sequence).where(events.c.id == marker))
        if last is not None:
            query = query.where(events.c.sequence > last if ascending else events.c.sequence < last)
    order = events.c.sequence.asc() if ascending else events.c.sequence.desc()
    return [event_of(row) for row in connection.execute(query.order_by(order).limit(limit))]


def get(connection: Connection, stack_id: StackId, event_id: str) -> Event | None:
    """One event of a stack."""
    query = select(events).where(events.c.stack_id == stack_id, events.c.id == event_id)
    row = connection.execute(query).first()
    return event_of(row) if row else None


def last_sequence(connection: Connection) -> int:
    """The cursor of the newest event; 0 when there is none."""
    return connection.scalar(select(func.max(events.c.sequence))) or 0


def add_signal(
    connection: Connection, stack_id: StackId, resource_id: ResourceId, signal: Signal
) -> None:
    """Keep a signal until its resource is deleted."""
    connection.execute(
        insert(signals),
        placed(
            "signals",
            {
                "id": signal.id,
                "stack_id": stack_id,
                "resource_id": resource_id,
                "body": dict(signal.body),
                "at": signal.at,
            },
        ),
    )


def count_signals(connection: Connection, resource_id: ResourceId) -> int:
    """How many a resource has received."""
    query = select(func.count()).where(signals.c.resource_id == resource_id)
    return connection.scalar(query) or 0


def signals_of(
    connection: Connection, resource_id: ResourceId, project_id: ProjectId
) -> list[Signal]:
    """Signals a resource of this project received, oldest first."""
    query = (
        select(signals.c.id, signals.c.body, signals.c.at)
        .join(stacks, stacks.c.id == signals.c.stack_id)
        .where(signals.c.resource_id == resource_id, stacks.c.project_id == project_id)
    )
    found = []
    for row in connection.execute(query.order_by(signals.c.sequence)):
        where = place("signals", "body", {"resource_id": resource_id, "id": row.id})
        found.append(Signal(id=row.id, body=open_json(row.body, where), at=row.at))
    return found


_EARLIER = select(engines.c.id).where(
    engines.c.stopped_at.is_(None), engines.c.id != bindparam("me")
)
_REGISTER = insert(engines)
_STOP = update(engines).where(engines.c.id == bindparam("gone")).values(stopped_at=bindparam("now"))


def register_engine(connection: Connection, engine: str, host: str, now: float) -> list[str]:
    """Enter this engine; the answer names those that ran before and did not say goodbye."""
    earlier = list(connection.scalars(_EARLIER, {"me": engine}))
    row = {"id": engine, "host": host, "started_at": now, "beat_at": now}
    row |= {"release": __version__, "format": OPERATION_FORMAT}
    connection.execute(_REGISTER, row)
    return earlier


def stop_engine(connection: Connection, engine: str, now: float) -> None:
    """An engine is gone: it said so, or its work has been taken over."""
    connection.execute(_STOP, {"gone": engine, "now": now})


def beat(connection: Connection, engine: str, now: float) -> None:
    """This engine is alive."""
    connection.execute(update(engines).where(engines.c.id == engine).values(beat_at=now))


def list_engines(connection: Connection) -> list[dict[str, object]]:
    """Engines that have not stopped, for `services`."""
    query = select(engines).where(engines.c.stopped_at.is_(None)).order_by(engines.c.started_at)
    return [dict(row) for row in connection.execute(query).mappings()]


def setting(connection: Connection, name: str, default: str | None = None) -> str:
    """A value made once and kept; without a default, a random secret, which is sealed."""
    secret = default is None
    stored = connection.scalar(select(settings.c.value).where(settings.c.name == name))
    where = place("settings", "value", {"name": name})
    value = secrets.token_hex(32) if secret else str(default)
    if stored is None:
        kept = Placed(value, where) if secret else value
        connection.execute(insert(settings), {"name": name, "value": kept})
        return value
    value = open_text(stored, where)
    if secret and type(stored) is not Closed and sealer_of(connection.dialect) is not None:
        mine = settings.c.name == name
        connection.execute(update(settings).where(mine).values(value=Placed(value, where)))
    return value
