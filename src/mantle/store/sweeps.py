"""Sweeps and their servers: planned, queued, claimed by one engine, and told."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from mantle.model.ids import ProjectId, UserId
from mantle.model.sweeps import Selector, Sweep, SweepStatus, SweepVerb, Target, TargetState
from mantle.store.held import held, refuse_held
from mantle.store.tables.stacks import engines, resources, stacks
from mantle.store.tables.sweeps import sweep_targets, sweeps

_LIVE = (SweepStatus.QUEUED, SweepStatus.RUNNING)
_LISTS = ("names", "tags", "hosts", "statuses", "stacks", "clouds", "regions")
_WRITTEN = ("state", "mark", "attempts", "reason", "started_at", "ended_at", "changed")
_RECORD = (
    update(sweep_targets)
    .where(
        sweep_targets.c.sweep_id == bindparam("in_sweep"),
        sweep_targets.c.position == bindparam("at_position"),
    )
    .values({name: bindparam(name) for name in _WRITTEN})
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many servers of a sweep have which outcome."""

    done: int
    failed: int
    skipped: int


def add(connection: Connection, sweep: Sweep, targets: Sequence[Target]) -> None:
    """Store a sweep that was planned."""
    values = {each.name: getattr(sweep, each.name) for each in fields(sweep)}
    connection.execute(insert(sweeps), values | {"selector": asdict(sweep.selector)})
    rows = [
        {"sweep_id": sweep.id, **{each.name: getattr(target, each.name) for each in fields(target)}}
        for target in targets
    ]
    connection.execute(insert(sweep_targets), rows)


def get(connection: Connection, project_id: ProjectId, sweep_id: str) -> Sweep | None:
    """One of this project's."""
    query = select(sweeps).where(sweeps.c.id == sweep_id, sweeps.c.project_id == project_id)
    row = connection.execute(query).first()
    return None if row is None else _sweep_of(row)


def of_project(connection: Connection, project_id: ProjectId, limit: int) -> list[Sweep]:
    """The newest first."""
    query = select(sweeps).where(sweeps.c.project_id == project_id)
    query = query.order_by(sweeps.c.sequence.desc()).limit(limit)
    return [_sweep_of(row) for row in connection.execute(query)]


def targets(connection: Connection, sweep_id: str, after: int = -1) -> list[Target]:
    """Its servers; with a cursor those that changed since, in the order in which they did."""
    query = select(sweep_targets).where(sweep_targets.c.sweep_id == sweep_id)
    if after >= 0:
        query = query.where(sweep_targets.c.changed > after).order_by(sweep_targets.c.changed)
    else:
        query = query.order_by(sweep_targets.c.position)
    return [_target_of(row) for row in connection.execute(query)]


def overlapping(connection: Connection, sweep_id: str) -> tuple[str, str] | None:
    """(sweep, server's name) of one that another sweep under way has not ended with."""
    other = sweep_targets.alias("other")
    query = (
        select(other.c.sweep_id, other.c.name)
        .join(sweeps, sweeps.c.id == other.c.sweep_id)
        .join(sweep_targets, sweep_targets.c.server_id == other.c.server_id)
        .where(
            sweep_targets.c.sweep_id == sweep_id,
            other.c.sweep_id != sweep_id,
            other.c.cloud == sweep_targets.c.cloud,
            other.c.state.in_((TargetState.PENDING, TargetState.ACTING)),
            sweeps.c.status.in_(_LIVE),
        )
    )
    row = connection.execute(query.limit(1)).first()
    return None if row is None else (row.sweep_id, row.name)


def under_way(connection: Connection) -> list[Sweep]:
    """Those that were applied and have not ended, the oldest first."""
    query = select(sweeps).where(sweeps.c.status.in_(_LIVE)).order_by(sweeps.c.sequence)
    return [_sweep_of(row) for row in connection.execute(query)]


def queue(connection: Connection, sweep_id: str) -> tuple[str, str] | None:
    """Have it carried out; what stands in the way instead: see `overlapping`.

    In one transaction, so that of two sweeps over one server the second sees the first.
    """
    refuse_held(connection)
    standing = overlapping(connection, sweep_id)
    if standing is None:
        planned = (sweeps.c.id == sweep_id) & (sweeps.c.status == SweepStatus.PLANNED)
        connection.execute(update(sweeps).where(planned).values(status=SweepStatus.QUEUED))
    return standing


def ask_to_stop(connection: Connection, sweep_id: str, now: float) -> None:
    """No further server is begun; one that was only planned is over."""
    connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(cancel=True))
    waiting = sweeps.c.status.in_((SweepStatus.PLANNED, SweepStatus.QUEUED))
    connection.execute(
        update(sweeps)
        .where(sweeps.c.id == sweep_id, waiting)
        .values(status=SweepStatus.CANCELLED, ended_at=now, epoch=sweeps.c.epoch + 1)
    )


_WAITING = (
    select(sweeps.c.id)
    .where(
        sweeps.c.status.in_(_LIVE),
        sweeps.c.engine.not_in(select(engines.c.id).where(engines.c.stopped_at.is_(None))),
    )
    .order_by(sweeps.c.sequence)
)


def waiting(connection: Connection) -> list[str]:
    """Sweeps to be carried out that no living engine has, the oldest first."""
    return list(connection.scalars(_WAITING))


def claim(connection: Connection, sweep_id: str, engine: str, now: float) -> Sweep | None:
    """This engine's from now on, unless another was faster; whoever had it finds a fence.

    Nobody's while the database is held (see `held`).
    """
    if held(connection) is not None or sweep_id not in waiting(connection):
        return None
    query = select(sweeps).where(sweeps.c.id == sweep_id)
    before = _sweep_of(connection.execute(query).one())
    values = {
        "engine": engine,
        "epoch": before.epoch + 1,
        "status": SweepStatus.RUNNING,
        "started_at": before.started_at or now,
    }
    connection.execute(update(sweeps).where(sweeps.c.id == sweep_id).values(values))
    return _sweep_of(connection.execute(query).one())


def record(
    connection: Connection, sweep: Sweep, changed: Sequence[Target], counts: Counts
) -> bool | None:
    """Write what became of some servers; true when the sweep is to stop, None when it is lost.

    The sweep's row is the fence: whoever claimed it since has raised the epoch.
    """
    fence = (
        update(sweeps)
        .where(sweeps.c.id == sweep.id, sweeps.c.epoch == sweep.epoch)
        .values(changes=sweeps.c.changes + len(changed), **asdict(counts))
        .returning(sweeps.c.changes, sweeps.c.cancel)
    )
    row = connection.execute(fence).first()
    if row is None:
        return None
    first = row.changes - len(changed) + 1
    rows = [
        {
            "in_sweep": sweep.id,
            "at_position": target.position,
            **{name: getattr(target, name) for name in _WRITTEN},
            "changed": first + offset,
        }
        for offset, target in enumerate(changed)
    ]
    if rows:
        connection.execute(_RECORD, rows)
    return bool(row.cancel)


def finish(
    connection: Connection, sweep: Sweep, status: SweepStatus, reason: str, now: float
) -> bool:
    """Its end; false when it is another engine's by now."""
    mine = (sweeps.c.id == sweep.id) & (sweeps.c.epoch == sweep.epoch)
    values = {"status": status, "reason": reason, "ended_at": now}
    return connection.execute(update(sweeps).where(mine).values(values)).rowcount == 1


def purge(connection: Connection, before: float, limit: int) -> int:
    """Forget sweeps that ended, or were planned and never applied, before then."""
    over = (sweeps.c.ended_at < before) | (
        (sweeps.c.status == SweepStatus.PLANNED) & (sweeps.c.expires_at < before)
    )
    ids = list(connection.scalars(select(sweeps.c.id).where(over).limit(limit)))
    if ids:
        connection.execute(delete(sweep_targets).where(sweep_targets.c.sweep_id.in_(ids)))
        connection.execute(delete(sweeps).where(sweeps.c.id.in_(ids)))
    return len(ids)


def stacks_of_servers(
    connection: Connection, project_id: ProjectId, types: Sequence[str]
) -> dict[tuple[str, str], tuple[str, str]]:
    """(cloud, server id) to (name, id) of the root stack that the server belongs to."""
    root = stacks.alias("root")
    query = (
        select(stacks.c.cloud, resources.c.physical_id, root.c.name, root.c.id)
        .join(stacks, stacks.c.id == resources.c.stack_id)
        .join(root, root.c.id == stacks.c.root_id)
        .where(
            stacks.c.project_id == project_id,
            stacks.c.deleted_at.is_(None),
            resources.c.resolved_type.in_(types),
            resources.c.physical_id.is_not(None),
        )
    )
    return {
        (cloud, physical_id): (name, stack_id)
        for cloud, physical_id, name, stack_id in connection.execute(query)
    }


def _sweep_of(row: Row[Any]) -> Sweep:
    values = {each.name: getattr(row, each.name) for each in fields(Sweep)}
    given = dict(row.selector)
    lists = {name: tuple(given.get(name, ())) for name in _LISTS}
    values |= {
        "selector": Selector(**lists, metadata=dict(given.get("metadata") or {})),
        "verb": SweepVerb(row.verb),
        "status": SweepStatus(row.status),
        "project_id": ProjectId(row.project_id),
        "user_id": UserId(row.user_id),
        "cancel": bool(row.cancel),
    }
    return Sweep(**values)


def _target_of(row: Row[Any]) -> Target:
    values = {each.name: getattr(row, each.name) for each in fields(Target)}
    values |= {"wanted": tuple(row.wanted), "state": TargetState(row.state)}
    return Target(**values)
