"""Saved plans."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mantle.model.ids import ProjectId, StackId, StepKey
from mantle.model.saved import Binding, BoundRow, Gate, PlanStatus, SavedPlan, Wave
from mantle.plan.render import plan_from_json, plan_json
from mantle.store.rows import asker_of, asker_values
from mantle.store.sealed import opened, placed
from mantle.store.stacks import let_go_of_sources
from mantle.store.tables.plans import saved_plans

_AT_WORK = (PlanStatus.RUNNING, PlanStatus.READY, PlanStatus.WAITING, PlanStatus.CHECKING)


def add(connection: Connection, saved: SavedPlan) -> None:
    """Store a new one."""
    connection.execute(insert(saved_plans), placed("saved_plans", _values(saved)))


def get(connection: Connection, plan_id: str) -> SavedPlan | None:
    """By id; the caller checks the project."""
    row = connection.execute(select(saved_plans).where(saved_plans.c.id == plan_id)).first()
    return _saved(row) if row else None


def save(connection: Connection, saved: SavedPlan) -> bool:
    """Write what changes while it is applied, as the next version; false when it is not next."""
    values = _values(saved)
    for name in ("document", "binding", "options", "waves", "notes", "made_by", "made_at"):
        values.pop(name)
    values["version"] = saved.version + 1
    done = connection.execute(
        update(saved_plans)
        .where(saved_plans.c.id == saved.id, saved_plans.c.version == saved.version)
        .values(values)
    )
    return bool(done.rowcount)


def remove(connection: Connection, saved: SavedPlan) -> bool:
    """Forget it, unless it has changed meanwhile."""
    done = connection.execute(
        delete(saved_plans).where(
            saved_plans.c.id == saved.id, saved_plans.c.version == saved.version
        )
    )
    return bool(done.rowcount)


def listing(
    connection: Connection, project_id: ProjectId, stack_id: StackId | None = None, most: int = 50
) -> list[SavedPlan]:
    """The project's, newest first."""
    query = select(saved_plans).where(saved_plans.c.project_id == project_id)
    if stack_id is not None:
        query = query.where(saved_plans.c.stack_id == stack_id)
    query = query.order_by(saved_plans.c.made_at.desc(), saved_plans.c.id).limit(most)
    return [_saved(row) for row in connection.execute(query)]


_WORK = (
    select(
        saved_plans.c.id,
        saved_plans.c.status,
        saved_plans.c.operation_id,
        saved_plans.c.look_at,
        saved_plans.c.expires_at,
    )
    .where(saved_plans.c.status.in_(_AT_WORK))
    .order_by(saved_plans.c.made_at)
)


def at_work(connection: Connection) -> list[tuple[str, PlanStatus, str | None, float, float]]:
    """(id, status, operation, look at, expires at) of what upkeep looks after."""
    return [
        (row.id, PlanStatus(row.status), row.operation_id, row.look_at, row.expires_at)
        for row in connection.execute(_WORK)
    ]


def count(connection: Connection, project_id: ProjectId) -> int:
    """How many a project keeps."""
    query = select(func.count()).where(saved_plans.c.project_id == project_id)
    return connection.scalar(query) or 0


def purge(connection: Connection, before: float) -> None:
    """Forget those that are over and were made before this time, and sources only they needed."""
    old = (
        saved_plans.c.status.not_in(_AT_WORK),
        saved_plans.c.made_at < before,
        saved_plans.c.expires_at < before,
    )
    query = select(saved_plans.c.source_id, saved_plans.c.base_source_id).where(*old)
    sources = [source for row in connection.execute(query) for source in row]
    connection.execute(delete(saved_plans).where(*old))
    let_go_of_sources(connection, sources)


def _values(saved: SavedPlan) -> dict[str, Any]:
    binding = saved.binding
    return {
        "id": saved.id,
        "project_id": saved.project_id,
        "stack_id": saved.stack_id,
        "stack_name": saved.stack_name,
        "action": str(saved.plan.action),
        "status": str(saved.status),
        "reason": saved.reason,
        "document": plan_json(saved.plan),
        "binding": {
            "rows": {key: asdict(row) for key, row in binding.rows.items()},
            "reads": {key: asdict(row) for key, row in binding.reads.items()},
            "seals": {key: dict(seals) for key, seals in binding.seals.items()},
            "nested": dict(binding.nested),
            "inside": {step: dict(seals) for step, seals in binding.inside.items()},
        },
        "options": dict(saved.options),
        "waves": [{"steps": list(wave.steps), "gate": str(wave.gate)} for wave in saved.waves],
        "wave": saved.wave,
        "done": list(saved.done),
        "running": list(saved.running),
        "requests": dict(saved.requests),
        "notes": dict(saved.notes),
        "source_id": saved.source_id,
        "base_source_id": saved.base_source_id,
        "operation_id": saved.operation_id,
        "look_at": saved.look_at,
        "made_by": asker_values(saved.made_by),
        "applied_by": asker_values(saved.applied_by),
        "made_at": saved.made_at,
        "expires_at": saved.expires_at,
        "ended_at": saved.ended_at,
        "version": saved.version,
    }


def _saved(row: Row[Any]) -> SavedPlan:
    mapping = row._mapping  # noqa: SLF001 - its public name in SQLAlchemy
    values = opened("saved_plans", dict(mapping))
    del values["action"]
    values["plan"] = plan_from_json(values.pop("document"))
    values["status"] = PlanStatus(values["status"])
    values["binding"] = _binding(values["binding"])
    values["waves"] = tuple(
        Wave(steps=_keys(wave["steps"]), gate=Gate(wave["gate"])) for wave in values["waves"]
    )
    values["done"] = _keys(values["done"])
    values["running"] = _keys(values["running"])
    values["made_by"] = asker_of(values["made_by"])
    values["applied_by"] = asker_of(values["applied_by"])
    return SavedPlan(**values)


def _keys(texts: Sequence[str]) -> tuple[StepKey, ...]:
    return tuple(StepKey(text) for text in texts)


def _binding(data: Mapping[str, Any]) -> Binding:
    return Binding(
        rows={key: BoundRow(**row) for key, row in data["rows"].items()},
        reads={key: BoundRow(**row) for key, row in data["reads"].items()},
        seals=data["seals"],
        nested=data["nested"],
        inside=data.get("inside") or {},
    )
