"""What is forgotten, and when: events, plans, operations and stacks that are over.

Each function deletes a bounded number and says how many, so that no transaction holds up those of
running operations. Nothing that lives refers to what goes: an operation under way keeps its plan
and its events, a stack its sources, whatever their age.
"""

from sqlalchemy import Connection, delete, func, select, true, update

from mantle.model.ids import ProjectId
from mantle.model.status import OperationStatus
from mantle.store import drift as drift_rows
from mantle.store import interventions as intervention_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.tables.hooks import hooks
from mantle.store.tables.sinks import event_sinks
from mantle.store.tables.stacks import (
    engines,
    events,
    operations,
    plans,
    resources,
    signals,
    sources,
    stacks,
)

BATCH = 200
"""Stacks, plans or operations in one transaction."""

LOOSE_SECONDS = 3600.0
"""So long a template is kept that nothing names any more."""

_LIVE = (OperationStatus.QUEUED, OperationStatus.RUNNING)


def purge_events(connection: Connection, most: int) -> int:
    """The oldest events of stacks that have more than `most`, but for operations under way."""
    crowded = connection.execute(
        select(events.c.stack_id)
        .group_by(events.c.stack_id)
        .having(func.count() > most)
        .limit(BATCH)
    )
    gone = 0
    for (stack_id,) in crowded.all():
        keep_from = connection.scalar(
            select(events.c.sequence)
            .where(events.c.stack_id == stack_id)
            .order_by(events.c.sequence.desc())
            .offset(most - 1)
            .limit(1)
        )
        busy = select(operations.c.id).where(
            operations.c.stack_id == stack_id, operations.c.status.in_(_LIVE)
        )
        old = (events.c.stack_id == stack_id) & (events.c.sequence < keep_from)
        mine = events.c.operation_id.is_(None) | events.c.operation_id.not_in(busy)
        gone += connection.execute(delete(events).where(old & mine)).rowcount
    return gone


def purge_plans(connection: Connection, before: float) -> int:
    """Plans that expired before this time, but for those being carried out."""
    busy = select(operations.c.plan_id).where(
        operations.c.status.in_(_LIVE), operations.c.plan_id.is_not(None)
    )
    old = select(plans.c.id).where(plans.c.expires_at < before, plans.c.id.not_in(busy))
    chosen = list(connection.scalars(old.limit(BATCH)))
    return connection.execute(delete(plans).where(plans.c.id.in_(chosen))).rowcount


def purge_operations(connection: Connection, before: float) -> int:
    """Operations that ended before this time, but for the last of each stack."""
    last = select(func.max(operations.c.sequence)).group_by(operations.c.stack_id)
    old = select(operations.c.id).where(
        operations.c.ended_at < before,
        operations.c.status.not_in(_LIVE),
        operations.c.sequence.not_in(last),
    )
    chosen = list(connection.scalars(old.limit(BATCH)))
    intervention_rows.drop(connection, chosen)
    return connection.execute(delete(operations).where(operations.c.id.in_(chosen))).rowcount


def purge_stacks(connection: Connection, before: float, project_id: ProjectId | None = None) -> int:
    """Stacks deleted before this time, with all that is said of them; of one project or of all."""
    chosen = connection.execute(
        select(stacks.c.id, stacks.c.source_id, stacks.c.previous_source_id)
        .where(
            stacks.c.deleted_at < before,
            true() if project_id is None else stacks.c.project_id == project_id,
            stacks.c.id.not_in(select(operations.c.stack_id).where(operations.c.status.in_(_LIVE))),
        )
        .limit(BATCH)
    ).all()
    ids = [row.id for row in chosen]
    theirs = select(operations.c.id).where(operations.c.stack_id.in_(ids))
    intervention_rows.drop(connection, list(connection.scalars(theirs)))
    named: list[str | None] = []
    connection.execute(delete(hooks).where(hooks.c.stack_id.in_(ids)))
    for stack_id in ids:
        named += snapshot_rows.drop(connection, stack_id)
        drift_rows.forget(connection, stack_id)
    for table in (events, operations, plans, signals, resources):
        connection.execute(delete(table).where(table.c.stack_id.in_(ids)))
    connection.execute(delete(event_sinks).where(event_sinks.c.stack_id.in_(ids)))
    connection.execute(delete(stacks).where(stacks.c.id.in_(ids)))
    named += [each for row in chosen for each in (row.source_id, row.previous_source_id)]
    stack_rows.let_go_of_sources(connection, named)
    return len(ids)


def purge_sources(connection: Connection, now: float) -> int:
    """Templates that nothing has named for a while; the answer is how many went.

    The while begins when this is called first after a template was let go of.
    """
    loose = sources.c.loose.is_(True)
    gone = connection.execute(
        delete(sources).where(loose, sources.c.loose_at < now - LOOSE_SECONDS, stack_rows.unnamed())
    )
    connection.execute(
        update(sources).where(loose, ~stack_rows.unnamed()).values(loose=None, loose_at=None)
    )
    new = sources.c.loose_at.is_(None)
    connection.execute(update(sources).where(loose, new).values(loose_at=now))
    return gone.rowcount


def purge_engines(connection: Connection, before: float) -> int:
    """Engines that stopped before this time."""
    return connection.execute(delete(engines).where(engines.c.stopped_at < before)).rowcount
