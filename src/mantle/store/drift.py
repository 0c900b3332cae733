"""Drift as stored: findings, policies, looks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from mantle.model.drift import Difference, DriftPolicy, Finding, Look
from mantle.model.ids import ProjectId, StackId
from mantle.store.tables.drift import drift_findings, drift_looks, drift_policies
from mantle.store.tables.stacks import stacks


def open_findings(connection: Connection, stack_ids: Sequence[StackId]) -> list[Finding]:
    """Those that have not ended, the oldest first."""
    query = select(drift_findings).where(
        drift_findings.c.stack_id.in_(stack_ids), drift_findings.c.ended_at.is_(None)
    )
    return [_finding(row) for row in connection.execute(query.order_by(drift_findings.c.sequence))]


def history(connection: Connection, stack_id: StackId, limit: int = 500) -> list[Finding]:
    """All of a stack, the newest first."""
    query = select(drift_findings).where(drift_findings.c.stack_id == stack_id)
    query = query.order_by(drift_findings.c.sequence.desc()).limit(limit)
    return [_finding(row) for row in connection.execute(query)]


def begin(connection: Connection, difference: Difference, now: float) -> None:
    """Seen for the first time."""
    connection.execute(
        insert(drift_findings),
        {
            "stack_id": difference.stack_id,
            "resource_id": difference.resource_id,
            "resource": difference.resource,
            "resource_type": difference.resource_type,
            "path": difference.path,
            "expected": difference.expected,
            "actual": difference.actual,
            "first_seen": now,
            "last_seen": now,
        },
    )


def see(connection: Connection, finding: Finding, actual: Any, now: float) -> None:
    """Still there."""
    connection.execute(
        update(drift_findings)
        .where(drift_findings.c.sequence == finding.sequence)
        .values(last_seen=now, actual=actual)
    )


def end(connection: Connection, sequences: Sequence[int], ending: str, now: float) -> None:
    """They are no more."""
    if sequences:
        connection.execute(
            update(drift_findings)
            .where(drift_findings.c.sequence.in_(sequences), drift_findings.c.ended_at.is_(None))
            .values(ended_at=now, ending=ending)
        )


def policies(connection: Connection, stack_ids: Sequence[StackId]) -> dict[tuple[str, str], str]:
    """(stack, resource or empty) to policy."""
    query = select(drift_policies).where(drift_policies.c.stack_id.in_(stack_ids))
    return {(row.stack_id, row.resource): row.policy for row in connection.execute(query)}


def set_policy(
    connection: Connection, stack_id: StackId, resource: str, policy: DriftPolicy
) -> None:
    """Of a stack (no resource) or of one of its resources."""
    drop_policy(connection, stack_id, resource)
    connection.execute(
        insert(drift_policies), {"stack_id": stack_id, "resource": resource, "policy": policy}
    )


def drop_policy(connection: Connection, stack_id: StackId, resource: str) -> None:
    """Back to the default."""
    connection.execute(
        delete(drift_policies).where(
            drift_policies.c.stack_id == stack_id, drift_policies.c.resource == resource
        )
    )


def forget(connection: Connection, stack_id: StackId) -> None:
    """The stack is gone."""
    for table in (drift_findings, drift_policies):
        connection.execute(delete(table).where(table.c.stack_id == stack_id))


def places(connection: Connection) -> list[tuple[ProjectId, str]]:
    """Each project and cloud that has live stacks."""
    query = select(stacks.c.project_id, stacks.c.cloud).where(stacks.c.deleted_at.is_(None))
    return [(row.project_id, row.cloud) for row in connection.execute(query.distinct())]


def live_stacks(connection: Connection, project_id: ProjectId, cloud: str) -> list[StackId]:
    """The live stacks there, inner ones too."""
    query = select(stacks.c.id).where(
        stacks.c.project_id == project_id,
        stacks.c.cloud == cloud,
        stacks.c.deleted_at.is_(None),
    )
    return list(connection.scalars(query))


def claim(
    connection: Connection, project_id: ProjectId, cloud: str, now: float, interval: float
) -> bool:
    """Take the next look for this engine; false when another took it, or it is not due."""
    mine = (drift_looks.c.project_id == project_id) & (drift_looks.c.cloud == cloud)
    if connection.execute(select(drift_looks.c.looked_at).where(mine)).first() is None:
        values = {"project_id": project_id, "cloud": cloud, "looked_at": now}
        connection.execute(insert(drift_looks), {**values, "calls": 0, "objects": 0})
        return True
    done = connection.execute(
        update(drift_looks)
        .where(mine, drift_looks.c.looked_at <= now - interval)
        .values(looked_at=now)
    )
    return bool(done.rowcount)


def note_look(connection: Connection, project_id: ProjectId, cloud: str, look: Look) -> None:
    """What the look cost."""
    mine = (drift_looks.c.project_id == project_id) & (drift_looks.c.cloud == cloud)
    values = {"looked_at": look.looked_at, "calls": look.calls, "objects": look.objects}
    if not connection.execute(update(drift_looks).where(mine).values(values)).rowcount:
        connection.execute(
            insert(drift_looks), {"project_id": project_id, "cloud": cloud, **values}
        )


def last_look(connection: Connection, project_id: ProjectId, cloud: str) -> Look | None:
    """When it was, if ever."""
    query = select(drift_looks).where(
        drift_looks.c.project_id == project_id, drift_looks.c.cloud == cloud
    )
    row = connection.execute(query).first()
    return Look(looked_at=row.looked_at, calls=row.calls, objects=row.objects) if row else None


def _finding(row: Row[Any]) -> Finding:
    return Finding(
        sequence=row.sequence,
        difference=Difference(
            stack_id=row.stack_id,
            resource_id=row.resource_id,
            resource=row.resource,
            resource_type=row.resource_type,
            path=row.path,
            expected=row.expected,
            actual=row.actual,
        ),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        ended_at=row.ended_at,
        ending=row.ending,
    )
