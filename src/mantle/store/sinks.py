"""Event sinks: which there are, what is due to each, and what has been delivered."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Row,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)

from mantle.model.event import Event
from mantle.model.ids import ProjectId, StackId
from mantle.model.records import StackRecord
from mantle.model.sinks import Sink, SinkRecord
from mantle.store import events as event_rows
from mantle.store.rows import event_of
from mantle.store.sealed import open_text, place, placed
from mantle.store.tables.sinks import event_sinks
from mantle.store.tables.stacks import events, stacks

_WAITING = exists(
    select(events.c.sequence).where(
        events.c.stack_id == event_sinks.c.stack_id,
        events.c.sequence > event_sinks.c.sequence,
        or_(event_sinks.c.last.is_(None), events.c.sequence <= event_sinks.c.last),
    )
)

_leaving = event_sinks.alias("leaving")
_BEHIND_ITSELF = exists(
    select(events.c.sequence).where(
        _leaving.c.stack_id == event_sinks.c.stack_id,
        _leaving.c.target == event_sinks.c.target,
        _leaving.c.id != event_sinks.c.id,
        events.c.stack_id == _leaving.c.stack_id,
        events.c.sequence > _leaving.c.sequence,
        events.c.sequence <= _leaving.c.last,
    )
)
"""It left, came back, and has not got yet what came before it left: that is brought first."""


def follow(
    connection: Connection, stack: StackRecord, wanted: Sequence[Sink], new_id: Callable[[], str]
) -> None:
    """From now on the stack's events go to these sinks; one that left gets what came before.

    One that comes back begins anew, with nothing of the time between.
    """
    known = {sink.target: sink for sink in of_stack(connection, stack.id) if sink.last is None}
    if not known and not wanted:
        return
    now = event_rows.last_sequence(connection)
    targets = {sink.target: sink for sink in wanted}
    for target, sink in known.items():
        if target not in targets:
            _set(connection, sink.id, last=now)
    for target, each in targets.items():
        old = known.get(target)
        if old is None:
            values = {
                "id": new_id(),
                "stack_id": stack.id,
                "project_id": stack.project_id,
                "target": target,
                "ttl_seconds": each.ttl_seconds,
                "sequence": now,
                "attempts": 0,
                "next_at": 0.0,
                "problem": "",
                "delivered": 0,
                "dropped": 0,
                "version": 0,
            }
            connection.execute(insert(event_sinks), placed("event_sinks", values))
        elif old.ttl_seconds != each.ttl_seconds:
            _set(connection, old.id, ttl_seconds=each.ttl_seconds)


def _set(connection: Connection, sink_id: str, **values: Any) -> None:
    changed = {**values, "version": event_sinks.c.version + 1}
    connection.execute(update(event_sinks).where(event_sinks.c.id == sink_id).values(changed))


def of_stack(connection: Connection, stack_id: StackId) -> list[SinkRecord]:
    """The sinks of a stack, those that left included until they have everything."""
    found = connection.execute(_OF_STACK, {"of_stack": stack_id})
    return sorted(
        (_sink_of(row) for row in found),
        key=lambda sink: sink.target,
    )


# Asked all day long, and so built once.
_OF_STACK = (
    select(event_sinks)
    .where(event_sinks.c.stack_id == bindparam("of_stack"))
    .order_by(event_sinks.c.id)
)
_DUE = (
    select(event_sinks)
    .where(event_sinks.c.next_at <= bindparam("now"), _WAITING, ~_BEHIND_ITSELF)
    .order_by(event_sinks.c.next_at)
    .limit(bindparam("most", type_=Integer))
)
_NEXT_DUE_AT = select(func.min(event_sinks.c.next_at)).where(_WAITING, ~_BEHIND_ITSELF)


def due(connection: Connection, now: float, limit: int) -> list[SinkRecord]:
    """Sinks with something to deliver whose time has come."""
    return [_sink_of(row) for row in connection.execute(_DUE, {"now": now, "most": limit})]


def next_due_at(connection: Connection) -> float | None:
    """When the next try of a sink that waits is; None when none has anything to deliver."""
    found: float | None = connection.scalar(_NEXT_DUE_AT)
    return found


def waiting(connection: Connection, sink: SinkRecord, limit: int, until: int) -> list[Event]:
    """What the sink gets next, in order; `until` is the horizon."""
    query = select(events).where(
        events.c.stack_id == sink.stack_id,
        events.c.sequence > sink.sequence,
        events.c.sequence <= until,
    )
    if sink.last is not None:
        query = query.where(events.c.sequence <= sink.last)
    return [
        event_of(row) for row in connection.execute(query.order_by(events.c.sequence).limit(limit))
    ]


def count_waiting(connection: Connection, sink: SinkRecord) -> int:
    """How many events it has not got yet."""
    query = select(func.count()).where(
        events.c.stack_id == sink.stack_id, events.c.sequence > sink.sequence
    )
    if sink.last is not None:
        query = query.where(events.c.sequence <= sink.last)
    return int(connection.scalar(query) or 0)


def save(connection: Connection, sink: SinkRecord) -> bool:
    """Store how far it came, unless somebody else has changed it meanwhile.

    `last` and the time to live are the environment's, and are left as they are.
    """
    values = {
        "sequence": sink.sequence,
        "attempts": sink.attempts,
        "next_at": sink.next_at,
        "problem": sink.problem,
        "delivered": sink.delivered,
        "dropped": sink.dropped,
        "version": sink.version + 1,
    }
    same = and_(event_sinks.c.id == sink.id, event_sinks.c.version == sink.version)
    changed = placed("event_sinks", {**values, "stack_id": sink.stack_id})
    return connection.execute(update(event_sinks).where(same).values(changed)).rowcount == 1


_RELEASE = (
    update(event_sinks)
    .where(event_sinks.c.attempts == 0, event_sinks.c.next_at > bindparam("now"))
    .values(next_at=bindparam("now"))
)


def release(connection: Connection, now: float) -> None:
    """Nobody works for these any more; one that waits for its next try goes on waiting."""
    connection.execute(_RELEASE, {"now": now})


def forget_ended(connection: Connection) -> int:
    """Sinks that have everything and get nothing more: taken out, or of a deleted stack."""
    ended = or_(
        event_sinks.c.last.is_not(None),
        event_sinks.c.stack_id.not_in(select(stacks.c.id).where(stacks.c.deleted_at.is_(None))),
    )
    return connection.execute(delete(event_sinks).where(ended, ~_WAITING)).rowcount


def _sink_of(row: Row[Any]) -> SinkRecord:
    named = {"stack_id": row.stack_id}
    where = place("event_sinks", "target", named)
    return SinkRecord(
        id=row.id,
        stack_id=StackId(row.stack_id),
        project_id=ProjectId(row.project_id),
        target=open_text(row.target, where),
        ttl_seconds=row.ttl_seconds,
        sequence=row.sequence,
        last=row.last,
        attempts=row.attempts,
        next_at=row.next_at,
        problem=open_text(row.problem, place("event_sinks", "problem", named)),
        delivered=row.delivered,
        dropped=row.dropped,
        version=row.version,
    )
