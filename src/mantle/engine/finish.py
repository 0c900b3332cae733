"""Writes an operation's end: the stack's state, its outputs, and what follows from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from logging import DEBUG, INFO
from typing import Any

import structlog

from mantle.engine.machine import Machine
from mantle.engine.operation import RowLookup, reference_of
from mantle.lib.measures import OPERATION_SECONDS
from mantle.model.errors import Invalid
from mantle.model.ids import OperationId
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.sinks import sinks_of
from mantle.model.status import Action, Cancel, OperationStatus, Status
from mantle.model.values import unknowns_in
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import guards as guard_rows
from mantle.store import hooks as hook_rows
from mantle.store import interventions as intervention_rows
from mantle.store import looks as look_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import sinks as sink_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.journal import Entry
from mantle.store.leftovers import leftovers
from mantle.template.loaded import Loaded
from mantle.template.resolve import resolve

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How an operation ended: with neither, it is complete."""

    failure: str | None = None
    cancelled: Cancel | None = None
    skipped: tuple[str, ...] = ()
    """What somebody had it go on without; the resources say themselves what they are."""


async def finish(
    machine: Machine,
    operation: OperationRecord,
    stack: StackRecord,
    verdict: Verdict,
    loaded: Loaded | None,
    rows: list[ResourceRecord],
) -> None:
    """End the operation; in the same transaction the stack's state, and a rollback if one is due.

    The stack's state is left alone when a newer operation waits: it is that one's already.
    """
    now = machine.clock.now()
    ended = replace(
        operation, status=_status(verdict), reason=_reason(operation, verdict), ended_at=now
    )
    outputs, errors = outputs_of(machine, stack, loaded, rows)
    follow_up = _rollback(machine, operation, stack, verdict)
    after = _stack_after(stack, operation, verdict, now, rows)
    if loaded is not None:
        after = replace(after, outputs=outputs, output_errors=errors)
    started: list[OperationId] = []

    def also(connection: Connection) -> None:
        started.clear()
        _clear_away(connection, ended, now)
        if operation.action is Action.SNAPSHOT:
            taken = Status.FAILED if verdict.failure or verdict.cancelled else Status.COMPLETE
            snapshot_rows.settle(connection, operation.id, taken, ended.reason)
        newer = [
            other
            for other in operation_rows.live_of_stack(connection, stack.id)
            if other.id != operation.id
        ]
        if newer:
            return
        stack_rows.save(connection, after)
        events = [machine.stack_event(after, operation, after.action, after.status, after.reason)]
        if follow_up is not None and verdict.cancelled is Cancel.ROLLBACK:
            # Whoever asked to go back waits for that to end: a failure on the way is no end.
            events = []
        if follow_up is not None:
            back = _rolling_back(after, now)
            stack_rows.save(connection, back)
            operation_rows.add(connection, follow_up)
            events.append(
                machine.stack_event(back, follow_up, back.action, back.status, back.reason)
            )
            started.append(follow_up.id)
        if operation.action is Action.ROLLBACK and loaded is not None and not verdict.failure:
            # What was before is in force again, and with it where events go.
            sinks = sinks_of(loaded.environment.event_sinks)
            sink_rows.follow(connection, after, sinks, machine.new_id)
        event_rows.add(connection, events)
        if after.deleted_at is not None:
            guard_rows.drop(connection, stack.id)
            drift_rows.forget(connection, stack.id)
            named = snapshot_rows.drop(connection, stack.id)
            stack_rows.let_go_of_sources(connection, named)
        if after.deleted_at is not None or after.previous_source_id != stack.previous_source_id:
            stack_rows.let_go_of_sources(connection, [stack.previous_source_id])

    entry = Entry(operation_id=operation.id, epoch=operation.epoch, steps_done=operation.steps_done)
    entry.operation = ended
    entry.also = also
    await machine.journal.write(entry)
    OPERATION_SECONDS.labels(ended.action.value, ended.status.value).observe(
        max(0.0, now - (operation.started_at or now))
    )
    log.log(
        DEBUG if operation.parent_id else INFO,
        "operation ended",
        status=ended.status.value,
        seconds=round(now - (operation.started_at or now), 3),
        steps=ended.steps_done,
    )
    machine.nudges.nudge(stack.id)
    machine.nudges.forget(("cancel", operation.id))
    if after.deleted_at is not None:
        machine.nudges.nudge("forgetting")
        machine.nudges.forget(*((what, stack.id) for what in ("signals", "hooks", "operations")))
    for operation_id in started:
        await machine.start(operation_id, 0)


def _clear_away(connection: Connection, operation: OperationRecord, now: float) -> None:
    """What served only while the operation was under way; it has ended as it says."""
    left = leftovers(connection, operation.stack_id, operation.id)
    if left.deleted:
        resource_rows.purge_deleted(connection, operation.stack_id)
    if left.drift and operation.status is OperationStatus.COMPLETE:
        drift_rows.corrected(connection, operation.id, now)
    if left.hooks:
        hook_rows.forget(connection, operation.id)
    if left.interventions:
        intervention_rows.close(connection, operation.id, now)
    if left.looks:
        look_rows.drop(connection, operation.id)
    if left.stuck:
        look_rows.clear(connection, operation.id)


def _status(verdict: Verdict) -> OperationStatus:
    if verdict.failure is not None:
        return OperationStatus.FAILED
    if verdict.cancelled is not None:
        return OperationStatus.CANCELLED
    return OperationStatus.COMPLETE


def _reason(operation: OperationRecord, verdict: Verdict) -> str:
    word = operation.action.value.title()
    if verdict.failure is not None:
        return verdict.failure
    if verdict.cancelled in {Cancel.SUPERSEDE, Cancel.INTERRUPT}:
        return f"{word} was overtaken by a newer operation"
    if verdict.cancelled is not None:
        return f"{word} was cancelled"
    if verdict.skipped:
        without = "; ".join(verdict.skipped)
        return f"Stack {operation.action.value} completed, but for what was skipped: {without}"
    return f"Stack {operation.action.value} completed successfully"


def _stack_after(
    stack: StackRecord,
    operation: OperationRecord,
    verdict: Verdict,
    now: float,
    rows: Sequence[ResourceRecord],
) -> StackRecord:
    if verdict.failure is not None or verdict.cancelled is not None:
        reason = _reason(operation, verdict)
        if verdict.failure is not None:
            reason = f"Resource {operation.action.value} failed: {reason}"
        return replace(stack, action=operation.action, status=Status.FAILED, reason=reason)
    done = replace(
        stack,
        action=operation.action,
        status=Status.COMPLETE,
        reason=_reason(operation, verdict),
    )
    left = sorted(row.name for row in rows if row.state != "DELETE_COMPLETE")
    if operation.action is Action.DELETE and left:
        # A part of a saved plan, or made by someone else meanwhile: the stack must be found again.
        names = f"{', '.join(left[:10])}{' and more' if len(left) > 10 else ''}"
        reason = f"Stack DELETE is done in part; still there: {names}"
        return replace(done, status=Status.FAILED, reason=reason)
    if operation.action is Action.DELETE:
        return replace(done, deleted_at=now, previous_source_id=None)
    if operation.action in {Action.CREATE, Action.UPDATE, Action.ROLLBACK, Action.RESTORE}:
        return replace(done, previous_source_id=None)
    return done


def _rollback(
    machine: Machine, operation: OperationRecord, stack: StackRecord, verdict: Verdict
) -> OperationRecord | None:
    """The operation that returns to what was before, when one is due."""
    if operation.action not in {Action.CREATE, Action.UPDATE} or stack.parent_id is not None:
        return None
    asked = verdict.cancelled is Cancel.ROLLBACK
    failed = verdict.failure is not None and not stack.disable_rollback
    stopped = verdict.cancelled in {Cancel.STOP, Cancel.SUPERSEDE, Cancel.INTERRUPT}
    if not asked and (not failed or stopped):
        return None
    if operation.action is Action.UPDATE and stack.previous_source_id is None:
        return None
    now = machine.clock.now()
    return OperationRecord(
        id=OperationId(machine.new_id()),
        stack_id=stack.id,
        project_id=stack.project_id,
        action=Action.ROLLBACK,
        status=OperationStatus.QUEUED,
        request_id=operation.request_id,
        trace=operation.trace,
        requester=operation.requester,
        created_at=now,
        deadline_at=now + machine.settings.operation_timeout_seconds,
    )


def _rolling_back(stack: StackRecord, now: float) -> StackRecord:
    """The stack on its way back: an update's template before is in force again."""
    back = replace(
        stack,
        action=Action.ROLLBACK,
        status=Status.IN_PROGRESS,
        reason=f"Rolling back: {stack.reason}",
        updated_at=now,
    )
    if stack.previous_source_id is None:
        return back
    return replace(back, source_id=stack.previous_source_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Every output of a stack: those that are not enabled have no value, and no reason."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    """Why one has none: what was wrong with it."""
    waiting: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Why one has none: the resources it needs that are not there."""


def outputs_of(
    machine: Machine, stack: StackRecord, loaded: Loaded | None, rows: Sequence[ResourceRecord]
) -> tuple[Mapping[str, Any], Mapping[str, str]]:
    """Every enabled output's value when nothing more is done, and why one has none."""
    found = outputs_now(machine, stack, loaded, rows)
    missing = {
        name: f"its value needs {', '.join(after)}, which is not there"
        for name, after in found.waiting.items()
    }
    return found.values, {**found.errors, **missing}


def outputs_now(
    machine: Machine, stack: StackRecord, loaded: Loaded | None, rows: Sequence[ResourceRecord]
) -> Outputs:
    """The outputs as far as the rows tell them."""
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    absent: dict[str, tuple[str, ...]] = {}
    if loaded is None or not loaded.graph.outputs:
        return Outputs()
    there = {row.name: row for row in rows if row.replaced_by is None and row.is_there}
    scope = loaded.scope(RowLookup(there, reference_of(machine.registry, stack)))
    for name, output in loaded.graph.outputs.items():
        values[name] = None
        if not output.enabled:
            continue
        try:
            value = resolve(output.value, scope)
        except Invalid as error:
            errors[name] = "; ".join(problem.message for problem in error.problems)
            continue
        waiting = unknowns_in(value)
        if waiting:
            after = {each for unknown in waiting for each in unknown.after}
            absent[name] = tuple(sorted(after))
        else:
            values[name] = value
    return Outputs(values=values, errors=errors, waiting=absent)
