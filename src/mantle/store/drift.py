"""Drift as stored: findings, policies, looks, corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from mantle.model.drift import Blind, Difference, DriftPolicy, DriftQuery, Ending, Finding
from mantle.model.ids import OperationId, ProjectId, StackId
from mantle.store.sealed import confidential, open_json, place
from mantle.store.tables.base import Placed
from mantle.store.tables.drift import (
    drift_corrections,
    drift_findings,
    drift_looks,
    drift_policies,
    drift_sights,
)
from mantle.store.tables.stacks import stacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a look at a place cost; `whole` when every type could be listed."""

    calls: int
    objects: int
    whole: bool


TABLES_OF_A_STACK = (drift_findings, drift_policies, drift_sights, drift_corrections)


# --- findings --------------------------------------------------------------------------------


def open_findings(connection: Connection, stack_ids: Sequence[StackId]) -> list[Finding]:
    """Those that have not ended, the oldest first."""
    query = select(drift_findings).where(
        drift_findings.c.stack_id.in_(stack_ids), drift_findings.c.ended_at.is_(None)
    )
    return [_finding(row) for row in connection.execute(query.order_by(drift_findings.c.sequence))]


def history(
    connection: Connection, stack_ids: Sequence[StackId], limit: int = 500
) -> list[Finding]:
    """All of some stacks, the newest first."""
    query = select(drift_findings).where(drift_findings.c.stack_id.in_(stack_ids))
    query = query.order_by(drift_findings.c.sequence.desc()).limit(limit)
    return [_finding(row) for row in connection.execute(query)]


def of_operation(connection: Connection, operation_id: OperationId) -> list[Finding]:
    """Those that an operation is to correct and that have not ended."""
    query = select(drift_findings).where(
        drift_findings.c.operation_id == operation_id, drift_findings.c.ended_at.is_(None)
    )
    return [_finding(row) for row in connection.execute(query.order_by(drift_findings.c.sequence))]


def of_project(connection: Connection, project_id: ProjectId, query: DriftQuery) -> list[Finding]:
    """A page of what differs anywhere in a project, the newest first."""
    chosen = _filtered(select(drift_findings), project_id, query)
    if query.after is not None:
        chosen = chosen.where(drift_findings.c.sequence < query.after)
    chosen = chosen.order_by(drift_findings.c.sequence.desc()).limit(query.limit)
    return [_finding(row) for row in connection.execute(chosen)]


def count_by_root(
    connection: Connection, project_id: ProjectId, query: DriftQuery
) -> dict[StackId, int]:
    """How many the whole listing holds, by root stack."""
    chosen = _filtered(select(stacks.c.root_id, func.count()), project_id, query)
    return {row[0]: row[1] for row in connection.execute(chosen.group_by(stacks.c.root_id))}


def _filtered(statement: Select[Any], project_id: ProjectId, query: DriftQuery) -> Select[Any]:
    findings = drift_findings.c
    conditions: list[Any] = [stacks.c.project_id == project_id, stacks.c.deleted_at.is_(None)]
    if query.stack_ids:
        conditions.append(findings.stack_id.in_(query.stack_ids))
    if query.resource:
        conditions.append(findings.resource == query.resource)
    if query.resource_types:
        conditions.append(findings.resource_type.in_(query.resource_types))
    if query.paths:
        conditions.append(findings.path.in_(query.paths))
    if query.ended is not None:
        over = findings.ended_at.is_not(None)
        conditions.append(over if query.ended else ~over)
    if query.since is not None:
        conditions.append(findings.last_seen >= query.since)
    joined = drift_findings.join(stacks, stacks.c.id == findings.stack_id)
    return statement.select_from(joined).where(*conditions)


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
            "expected": _kept(connection, difference, "expected", difference.expected),
            "actual": _kept(connection, difference, "actual", difference.actual),
            "first_seen": now,
            "last_seen": now,
        },
    )


def see(connection: Connection, finding: Finding, actual: Any, now: float) -> None:
    """Still there. What was refused for another value may be done for this one."""
    kept = _kept(connection, finding.difference, "actual", actual)
    values: dict[str, Any] = {"last_seen": now, "actual": kept}
    if actual != finding.difference.actual:
        values["note"] = None
    chosen = update(drift_findings).where(drift_findings.c.sequence == finding.sequence)
    connection.execute(chosen.values(values))


def _kept(connection: Connection, difference: Difference, column: str, value: Any) -> Any:
    """As it is stored: sealed where the stack may hold a secret."""
    if value is None or difference.stack_id not in confidential(connection, [difference.stack_id]):
        return value
    named = {"resource_id": difference.resource_id, "path": difference.path}
    return Placed(value, place("drift_findings", column, named))


def give_to(connection: Connection, sequences: Sequence[int], operation_id: OperationId) -> None:
    """An operation is to correct them."""
    if not sequences:
        return
    connection.execute(
        update(drift_findings)
        .where(drift_findings.c.sequence.in_(sequences))
        .values(operation_id=operation_id, note=None)
    )


def note(connection: Connection, sequence: int, text: str) -> None:
    """Why the policy could not be followed."""
    connection.execute(
        update(drift_findings).where(drift_findings.c.sequence == sequence).values(note=text)
    )


def corrected(connection: Connection, operation_id: OperationId, now: float) -> None:
    """The operation that was to correct them has come to a good end."""
    connection.execute(
        update(drift_findings)
        .where(drift_findings.c.operation_id == operation_id, drift_findings.c.ended_at.is_(None))
        .values(ended_at=now, ending=Ending.CORRECTED)
    )


def end(connection: Connection, sequences: Sequence[int], ending: Ending, now: float) -> None:
    """They are no more."""
    if sequences:
        connection.execute(
            update(drift_findings)
            .where(drift_findings.c.sequence.in_(sequences), drift_findings.c.ended_at.is_(None))
            .values(ended_at=now, ending=ending)
        )


def purge_history(connection: Connection, before: float, most: int) -> int:
    """Findings that ended before this time, and corrections begun before it; at most so many."""
    old = select(drift_findings.c.sequence).where(drift_findings.c.ended_at < before).limit(most)
    chosen = list(connection.scalars(old))
    connection.execute(delete(drift_findings).where(drift_findings.c.sequence.in_(chosen)))
    connection.execute(delete(drift_corrections).where(drift_corrections.c.begun_at < before))
    return len(chosen)


# --- policies --------------------------------------------------------------------------------


def policies(
    connection: Connection, stack_ids: Sequence[StackId]
) -> dict[tuple[str, str], DriftPolicy]:
    """(stack, resource or empty) to policy."""
    query = select(drift_policies).where(drift_policies.c.stack_id.in_(stack_ids))
    return {
        (row.stack_id, row.resource): DriftPolicy(row.policy) for row in connection.execute(query)
    }


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
    for table in TABLES_OF_A_STACK:
        connection.execute(delete(table).where(table.c.stack_id == stack_id))


# --- corrections -----------------------------------------------------------------------------


def begin_correction(
    connection: Connection, operation_id: OperationId, stack_id: StackId, now: float
) -> None:
    """An update that does nothing but correct this (root) stack."""
    values = {"operation_id": operation_id, "stack_id": stack_id, "begun_at": now}
    connection.execute(insert(drift_corrections), values)


def corrections_since(connection: Connection, stack_id: StackId, since: float) -> int:
    """How often a (root) stack was corrected since then."""
    query = select(func.count()).where(
        drift_corrections.c.stack_id == stack_id, drift_corrections.c.begun_at > since
    )
    return connection.scalar(query) or 0


def is_correction(connection: Connection, operation_id: OperationId) -> bool:
    """Whether the operation was begun only to correct drift."""
    query = select(drift_corrections.c.stack_id).where(
        drift_corrections.c.operation_id == operation_id
    )
    return connection.execute(query).first() is not None


# --- looks -----------------------------------------------------------------------------------


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
    """Take the next look for this engine; false when another took it, or it is not due.

    `now` is the database's time, so that engines whose clocks differ agree on what is due. The
    lease says nothing of what was seen: only `note_look` and `note_sights` do.
    """
    mine = (drift_looks.c.project_id == project_id) & (drift_looks.c.cloud == cloud)
    if connection.execute(select(drift_looks.c.claimed_at).where(mine)).first() is None:
        values = {"project_id": project_id, "cloud": cloud, "looked_at": 0.0, "claimed_at": now}
        connection.execute(insert(drift_looks), {**values, "calls": 0, "objects": 0})
        return True
    leased = func.coalesce(drift_looks.c.claimed_at, drift_looks.c.looked_at)
    done = connection.execute(
        update(drift_looks).where(mine, leased <= now - interval).values(claimed_at=now)
    )
    return bool(done.rowcount)


def note_look(
    connection: Connection, project_id: ProjectId, cloud: str, cost: Cost, at: float
) -> None:
    """What the look cost. One that could not see everything moves no time."""
    mine = (drift_looks.c.project_id == project_id) & (drift_looks.c.cloud == cloud)
    values: dict[str, Any] = {"calls": cost.calls, "objects": cost.objects}
    if cost.whole:
        values["looked_at"] = at
    if not connection.execute(update(drift_looks).where(mine).values(values)).rowcount:
        first = {"project_id": project_id, "cloud": cloud, "looked_at": 0.0, **values}
        connection.execute(insert(drift_looks), first)


def note_sights(
    connection: Connection, blind: Mapping[StackId, Mapping[str, str]], now: float
) -> None:
    """For each stack that was looked at: the types that could not be listed, with the reason.

    A stack that was seen whole was looked at now; any other keeps the time it had, and each type
    that was not seen the time since which it is not.
    """
    ids = list(blind)
    query = select(drift_sights).where(drift_sights.c.stack_id.in_(ids))
    known = {row.stack_id: row for row in connection.execute(query)}
    connection.execute(delete(drift_sights).where(drift_sights.c.stack_id.in_(ids)))
    rows = []
    for stack_id, missed in blind.items():
        before = known.get(stack_id)
        looked_at = now if not missed else before.looked_at if before else None
        was = (before.blind or {}) if before else {}
        told = {
            name: {"since": was.get(name, {}).get("since", looked_at), "reason": reason}
            for name, reason in missed.items()
        }
        rows.append({"stack_id": stack_id, "looked_at": looked_at, "blind": told})
    if rows:
        connection.execute(insert(drift_sights), rows)


def last_look(connection: Connection, project_id: ProjectId, cloud: str) -> tuple[int, int]:
    """What the last look at a place cost: calls, and objects seen."""
    query = select(drift_looks).where(
        drift_looks.c.project_id == project_id, drift_looks.c.cloud == cloud
    )
    row = connection.execute(query).first()
    return (row.calls, row.objects) if row else (0, 0)


def sights(
    connection: Connection, stack_ids: Sequence[StackId]
) -> dict[StackId, tuple[float | None, dict[str, Blind]]]:
    """When each stack was last looked at whole, and what was not seen of it the last time."""
    query = select(drift_sights).where(drift_sights.c.stack_id.in_(stack_ids))
    return {
        row.stack_id: (
            row.looked_at,
            {name: Blind(**each) for name, each in (row.blind or {}).items()},
        )
        for row in connection.execute(query)
    }


def _finding(row: Row[Any]) -> Finding:
    mapping = row._mapping  # noqa: SLF001 - its public name in SQLAlchemy
    return Finding(
        sequence=row.sequence,
        difference=Difference(
            stack_id=row.stack_id,
            resource_id=row.resource_id,
            resource=row.resource,
            resource_type=row.resource_type,
            path=row.path,
            expected=open_json(row.expected, place("drift_findings", "expected", mapping)),
            actual=open_json(row.actual, place("drift_findings", "actual", mapping)),
        ),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        ended_at=row.ended_at,
        ending=Ending(row.ending) if row.ending else None,
        operation_id=row.operation_id,
        note=row.note or "",
    )
