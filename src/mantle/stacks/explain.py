"""Explains an operation from what is stored: see `plan/explain.py`."""

from collections.abc import Mapping
from typing import Any

from mantle.engine.machine import Machine
from mantle.model.ids import ResourceId
from mantle.model.records import OperationRecord, ResourceRecord
from mantle.model.status import Status
from mantle.plan.explain import Engine, Explanation, Known, explain
from mantle.plan.interventions import Stage
from mantle.plan.watchdog import Patience
from mantle.stacks.control import Control
from mantle.stacks.resume import plan_of, stage_of, why_not
from mantle.store import events as event_rows
from mantle.store import hooks as hook_rows
from mantle.store import interventions as intervention_rows
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection
from mantle.store.moments import database_time


async def explain_operation(control: Control, operation: OperationRecord) -> Explanation:
    """Who holds it, what each step waits for since when, and what happens next."""
    machine = control.machine

    def look(connection: Connection) -> Explanation:
        now = operation_rows.get(connection, operation.id) or operation
        live = operation_rows.live_of_stack(connection, now.stack_id)
        before = [each for each in live if each.id != now.id]
        first = bool(live) and live[0].id == now.id
        rows = {row.id: row for row in resource_rows.of_stack(connection, now.stack_id)}
        held = [
            (held.resource, held.hook, held.held_at)
            for held in hook_rows.waiting(connection, now.stack_id)
            if held.operation_id == now.id
        ]
        return explain(
            now,
            engine=engine_of(connection, now, control.clock.now()),
            behind=None if now.status.ended or first or not before else before[0],
            plan=plan_of(connection, now),
            rows=rows,
            held=held,
            now=control.clock.now(),
            known=_known(connection, machine, now, rows),
            patience=patience_of(machine),
        )

    return await control.database.read(look)


def _known(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    rows: Mapping[ResourceId, ResourceRecord],
) -> Known:
    refusal = ""
    if stage_of(operation) is Stage.ENDED_BADLY:
        no = why_not(connection, operation)
        refusal = "" if no is None else f"{no.reason}. {no.remedy}".strip()
    return Known(
        interventions=intervention_rows.of_operation(connection, operation.id),
        looks=look_rows.of_operation(connection, operation.id),
        wait_until=wait_ends(machine, rows),
        refusal=refusal,
    )


def engine_of(connection: Connection, operation: OperationRecord, here: float) -> Engine | None:
    """Who holds it, with when that was last heard of by this process's clock.

    Engines beat by the database's time, which need not be `here`.
    """
    if not operation.engine:
        return None
    ahead = database_time(connection, here) - here
    for known in event_rows.list_engines(connection):
        if known["id"] == operation.engine:
            engine: dict[str, Any] = known
            return Engine(
                id=operation.engine,
                host=engine["host"],
                beat_at=engine["beat_at"] - ahead,
                started_at=engine["started_at"],
            )
    return Engine(id=operation.engine)


def wait_ends(
    machine: Machine, rows: Mapping[ResourceId, ResourceRecord]
) -> dict[ResourceId, float]:
    """When the own time of each condition that is waited for is over."""
    found = {}
    for row in rows.values():
        if row.status is not Status.IN_PROGRESS or row.started_at is None:
            continue
        kind = machine.registry.types.get(row.resolved_type)
        timeout = row.properties.get("timeout")
        if kind is None or kind.signals_from is None or not isinstance(timeout, int | float):
            continue
        found[row.id] = row.started_at + float(timeout)
    return found


def patience_of(machine: Machine) -> Patience:
    """The watchdog's limits, from the settings."""
    settings = machine.settings
    return Patience(
        hung=settings.hung_seconds,
        hook=settings.hook_seconds,
        errors=settings.errors_in_a_row,
    )
