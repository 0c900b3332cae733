"""Operations and plans."""

from collections.abc import Sequence
from enum import Enum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, bindparam, func, insert, select, update

from mantle.model.ids import OperationId, PlanId, ProjectId, StackId
from mantle.model.records import OperationRecord
from mantle.model.release import FIRST_FORMAT, OPERATION_FORMAT
from mantle.model.status import Cancel, OperationStatus
from mantle.store.held import held
from mantle.store.rows import operation_of, operation_values
from mantle.store.sealed import opened, placed
from mantle.store.tables.stacks import operations, plans

_LIVE = (OperationStatus.QUEUED, OperationStatus.RUNNING)


def add(connection: Connection, operation: OperationRecord) -> None:
    """Store a new operation; its sequence says which came first."""
    connection.execute(insert(operations), operation_values(operation))


def save(connection: Connection, operation: OperationRecord) -> None:
    """Store a known operation, but for what others write: its epoch and its cancel flag."""
    values = operation_values(operation)
    for name in ("id", "epoch", "cancel"):
        values.pop(name)
    connection.execute(_SAVE, {"row_id": operation.id} | values)


# Built once: to build a statement takes longer than to run it.
_SAVE = update(operations).where(operations.c.id == bindparam("row_id"))
_GET = select(operations).where(operations.c.id == bindparam("wanted"))
_PLAN = select(plans).where(plans.c.id == bindparam("wanted"))
_ALL_LIVE = select(operations).where(operations.c.status.in_(_LIVE)).order_by(operations.c.sequence)
_LIVE_OF_STACK = _ALL_LIVE.where(operations.c.stack_id == bindparam("of_stack"))


def get(connection: Connection, operation_id: OperationId | str) -> OperationRecord | None:
    """By id."""
    row = connection.execute(_GET, {"wanted": operation_id}).first()
    return operation_of(row) if row else None


def claim(
    connection: Connection,
    operation_id: OperationId,
    engine: str,
    now: float,
    attempt: int | None = None,
) -> OperationRecord | None:
    """Make an operation this engine's: the epoch grows, so that an earlier holder's writes fail.

    With an attempt only if the epoch is still that one: a call that comes late claims nothing.
    None when it has ended, or never was, or is of a newer release, or while the database is held
    (see `held`). What this engine has begun is of its own format from then on, so that no older one
    goes on with it.

    The one statement that changes anything looks and writes at once, as a fence does; so this needs
    no SERIALIZABLE transaction, which would have requests that count operations begin again.
    """
    if held(connection) is not None:
        return None
    values = {"wanted": operation_id, "me": engine, "here": now}
    if attempt is None:
        done = connection.execute(_CLAIM, values)
    else:
        done = connection.execute(_CLAIM_FROM, values | {"attempt": attempt})
    return get(connection, operation_id) if done.rowcount else None


def known_format() -> ColumnElement[bool]:
    """Whether this release knows how to perform an operation."""
    return func.coalesce(operations.c.format, FIRST_FORMAT) <= OPERATION_FORMAT


_CLAIM = (
    update(operations)
    .where(operations.c.id == bindparam("wanted"), operations.c.status.in_(_LIVE), known_format())
    .values(
        epoch=operations.c.epoch + 1,
        engine=bindparam("me"),
        format=OPERATION_FORMAT,
        status=OperationStatus.RUNNING,
        started_at=func.coalesce(operations.c.started_at, bindparam("here", type_=Float)),
    )
)
_CLAIM_FROM = _CLAIM.where(operations.c.epoch == bindparam("attempt"))


class Held(Enum):
    """The fence's refusal."""

    BACK = "another engine holds the operation, or it has ended"


_FENCE = (
    update(operations)
    .where(
        operations.c.id == bindparam("wanted"),
        operations.c.epoch == bindparam("known"),
        operations.c.status == OperationStatus.RUNNING,
    )
    .values(steps_done=bindparam("done"))
    .returning(operations.c.cancel)
)


def fence(
    connection: Connection, operation_id: OperationId, epoch: int, steps_done: int
) -> Cancel | Held | None:
    """Prove that this engine still holds the operation; the answer is its cancel flag.

    `Held.BACK` when another engine holds it or it has ended: the caller then writes nothing.
    """
    values = {"wanted": operation_id, "known": epoch, "done": steps_done}
    row = connection.execute(_FENCE, values).first()
    if row is None:
        return Held.BACK
    return Cancel(row[0]) if row[0] else None


def ask_to_cancel(connection: Connection, operation_id: OperationId, how: Cancel) -> bool:
    """Leave a request for the engine that holds it; false when it has ended."""
    done = connection.execute(
        update(operations)
        .where(operations.c.id == operation_id, operations.c.status.in_(_LIVE))
        .values(cancel=how)
    )
    return bool(done.rowcount)


def release(connection: Connection, operation_id: OperationId) -> int | None:
    """Fence off whoever performs it; the answer is the epoch that the next holder claims from.

    None when it has ended.
    """
    epoch: int | None = connection.scalar(
        update(operations)
        .where(operations.c.id == operation_id, operations.c.status.in_(_LIVE))
        .values(epoch=operations.c.epoch + 1, engine="", status=OperationStatus.QUEUED)
        .returning(operations.c.epoch)
    )
    return epoch


def revive(connection: Connection, operation_id: OperationId, deadline_at: float) -> int | None:
    """Have an operation that ended badly go on; the answer is the epoch to claim it from.

    None when it has not ended, or ended well.
    """
    epoch: int | None = connection.scalar(
        update(operations)
        .where(
            operations.c.id == operation_id,
            operations.c.status.in_((OperationStatus.FAILED, OperationStatus.CANCELLED)),
        )
        .values(
            epoch=operations.c.epoch + 1,
            engine="",
            status=OperationStatus.QUEUED,
            cancel=None,
            reason="",
            ended_at=None,
            deadline_at=deadline_at,
        )
        .returning(operations.c.epoch)
    )
    return epoch


def live_of_stack(connection: Connection, stack_id: StackId) -> list[OperationRecord]:
    """Operations of a stack that have not ended, in the order they came."""
    return [operation_of(row) for row in connection.execute(_LIVE_OF_STACK, {"of_stack": stack_id})]


def live(connection: Connection) -> list[OperationRecord]:
    """All operations that have not ended, in the order they came."""
    return [operation_of(row) for row in connection.execute(_ALL_LIVE)]


def listing(
    connection: Connection,
    *,
    stack_id: StackId | None = None,
    project_id: ProjectId | None = None,
    statuses: Sequence[OperationStatus] = (),
    ids: Sequence[OperationId] | None = None,
    request_id: str | None = None,
    limit: int = 100,
) -> list[OperationRecord]:
    """Operations, newest first."""
    query = select(operations).order_by(operations.c.sequence.desc()).limit(limit)
    if stack_id is not None:
        query = query.where(operations.c.stack_id == stack_id)
    if project_id is not None:
        query = query.where(operations.c.project_id == project_id)
    if ids is not None:
        query = query.where(operations.c.id.in_(ids))
    if request_id is not None:
        query = query.where(operations.c.request_id == request_id)
    if statuses:
        query = query.where(operations.c.status.in_(list(statuses)))
    return [operation_of(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[str, int]:
    """How many operations are in each status, for metrics."""
    query = select(operations.c.status, func.count()).group_by(operations.c.status)
    return {row[0]: row[1] for row in connection.execute(query)}


def add_plan(
    connection: Connection,
    *,
    plan_id: PlanId,
    stack_id: StackId,
    project_id: ProjectId,
    document: dict[str, Any],
    created_at: float,
    expires_at: float,
    source_id: str = "",
) -> None:
    """Store a plan as JSON, and with it which template it was made of.

    Whoever carries on with it needs that one: a newer operation has put its own in force meanwhile.
    """
    document = {**document, "source_id": source_id}
    connection.execute(
        insert(plans),
        placed(
            "plans",
            {
                "id": plan_id,
                "stack_id": stack_id,
                "project_id": project_id,
                "document": document,
                "created_at": created_at,
                "expires_at": expires_at,
            },
        ),
    )


def plan_document(
    connection: Connection, plan_id: PlanId, project_id: ProjectId | None = None
) -> dict[str, Any] | None:
    """A stored plan; with a project, only that project's."""
    row = connection.execute(_PLAN, {"wanted": plan_id}).mappings().first()
    if row is None or (project_id is not None and row["project_id"] != project_id):
        return None
    document: dict[str, Any] = opened("plans", dict(row))["document"]
    return document
