"""Explains an operation from what is stored: see `plan/explain.py`."""

from collections.abc import Mapping
from typing import Any

from mantle.model.ids import ResourceId
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord, ResourceRecord
from mantle.plan.explain import Engine, Explanation, explain
from mantle.plan.render import plan_from_json
from mantle.stacks.control import Control
from mantle.store import events as event_rows
from mantle.store import hooks as hook_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection


async def explain_operation(control: Control, operation: OperationRecord) -> Explanation:
    """Who holds it, what each step waits for since when, and what happens next."""

    def look(connection: Connection) -> Explanation:
        now = operation_rows.get(connection, operation.id) or operation
        live = operation_rows.live_of_stack(connection, now.stack_id)
        before = [each for each in live if each.id != now.id]
        first = bool(live) and live[0].id == now.id
        return explain(
            now,
            engine=_engine(now, event_rows.list_engines(connection)),
            behind=None if now.status.ended or first or not before else before[0],
            plan=_plan(connection, now),
            rows=_rows(connection, now),
            held=[
                (held.resource, held.hook, held.held_at)
                for held in hook_rows.waiting(connection, now.stack_id)
                if held.operation_id == now.id
            ],
            now=control.clock.now(),
        )

    return await control.database.read(look)


def _engine(operation: OperationRecord, engines: list[dict[str, Any]]) -> Engine | None:
    if not operation.engine:
        return None
    for known in engines:
        if known["id"] == operation.engine:
            return Engine(id=operation.engine, host=known["host"], beat_at=known["beat_at"])
    return Engine(id=operation.engine)


def _plan(connection: Connection, operation: OperationRecord) -> Plan | None:
    if operation.plan_id is None:
        return None
    document = operation_rows.plan_document(connection, operation.plan_id)
    return None if document is None else plan_from_json(document)


def _rows(
    connection: Connection, operation: OperationRecord
) -> Mapping[ResourceId, ResourceRecord]:
    return {row.id: row for row in resource_rows.of_stack(connection, operation.stack_id)}
