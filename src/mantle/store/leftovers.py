"""What an operation's end has to clear away: asked in one statement, as mostly there is nothing."""

from dataclasses import dataclass

from sqlalchemy import BindParameter, Connection, bindparam, exists, select

from mantle.model.ids import OperationId, StackId
from mantle.model.status import Action, Status
from mantle.store.tables.drift import drift_findings
from mantle.store.tables.hooks import hooks
from mantle.store.tables.interventions import interventions, looks, stuck
from mantle.store.tables.stacks import resources

_MINE: BindParameter[str] = bindparam("operation_id")
_ASK = select(
    exists()
    .where(
        resources.c.stack_id == bindparam("stack_id"),
        resources.c.action == Action.DELETE,
        resources.c.status == Status.COMPLETE,
    )
    .label("deleted"),
    exists()
    .where(drift_findings.c.operation_id == _MINE, drift_findings.c.ended_at.is_(None))
    .label("drift"),
    exists().where(hooks.c.operation_id == _MINE).label("hooks"),
    exists()
    .where(interventions.c.operation_id == _MINE, interventions.c.settled_at.is_(None))
    .label("interventions"),
    exists().where(looks.c.operation_id == _MINE).label("looks"),
    exists().where(stuck.c.operation_id == _MINE).label("stuck"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftovers:
    """Of one operation and its stack."""

    deleted: bool
    """Rows whose objects are gone."""
    drift: bool
    """Findings that it was to correct."""
    hooks: bool
    interventions: bool
    """That nobody has settled."""
    looks: bool
    stuck: bool


def leftovers(connection: Connection, stack_id: StackId, operation_id: OperationId) -> Leftovers:
    """What there is. Behind the fence, which holds the operation's row until the end is written."""
    row = connection.execute(_ASK, {"stack_id": stack_id, "operation_id": operation_id}).one()
    return Leftovers(**{name: bool(value) for name, value in row._mapping.items()})  # noqa: SLF001 - its public name
