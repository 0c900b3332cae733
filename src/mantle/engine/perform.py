"""Performs one operation: claim it, plan it if need be, walk the plan, write the end.

Note: overtaken. A stack is being created when its update is asked for. The update's operation is
stored behind the create's, which is asked to stop (`supersede`). The create finishes the steps
under way and ends as cancelled, leaving the stack's state to the newer operation. That one waits
for it, and only then plans, from the rows as they are. One that is to converge looks at the cloud
at this moment, and gives itself what drifts; killed in between, it looks again.

Note: killed. The process dies between a cloud's deed and its reply. At the next start the operation
is claimed again (epoch + 1); the row is CREATE_IN_PROGRESS with its token, so the same phase is
called again, looks by the token and finds what was made.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from logging import DEBUG, INFO
from typing import Any

import structlog

from mantle.engine.deeds import backoff
from mantle.engine.drifting import rows_to_correct
from mantle.engine.finish import Verdict, finish
from mantle.engine.keeping import Keeping, keeping_of
from mantle.engine.machine import Machine
from mantle.engine.operation import load, make_plan, new_rows
from mantle.engine.walk import Walk, Walked, summary
from mantle.lib import logs, tracing
from mantle.lib.measures import QUEUE_SECONDS
from mantle.model.errors import MantleError
from mantle.model.graph import TemplateSource
from mantle.model.ids import OperationId
from mantle.model.plan import Plan, StepKind
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Cancel
from mantle.plan.interventions import Standing, left_out, standing
from mantle.plan.render import plan_from_json, plan_json
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.store.journal import Entry, Fenced
from mantle.template.environment import Environment, load_environment
from mantle.template.loaded import Loaded

log = structlog.get_logger()

DESIRED = {Action.CREATE, Action.UPDATE, Action.ROLLBACK, Action.ADOPT, Action.RESTORE}
"""Actions that bring the rows to a template; the others act on the rows as they are."""


@dataclass(slots=True, kw_only=True)
class Frame:
    """One operation while it is performed."""

    operation: OperationRecord
    stack: StackRecord
    loaded: Loaded | None
    plan: Plan
    rows: list[ResourceRecord]
    source_id: str
    """The template it was accepted with; what is in force may be a newer operation's."""
    environment: Environment | None = None
    """Of a stack that is deleted: its hooks."""
    skipped: tuple[str, ...] = ()
    """What somebody had the operation go on without, in words."""
    keeping: Keeping | None = None
    """The snapshot that it takes or returns to."""

    @property
    def restores(self) -> frozenset[str]:
        """The resources whose contents are still to be put back."""
        if self.keeping is None or self.operation.action is not Action.RESTORE:
            return frozenset()
        return self.keeping.restores(self.rows, self.operation.id)


async def perform(machine: Machine, operation_id: OperationId, attempt: int | None = None) -> None:
    """Carry the operation to its end. Safe to call again at any time, from any engine.

    With an attempt it is claimed from that epoch only.
    """
    with logs.about(operation=operation_id, engine=machine.id):
        operation = await _claimed(machine, operation_id, attempt)
        if operation is None:
            return
        with (
            logs.about(request_id=operation.request_id, action=operation.action.value),
            tracing.span(
                "operation",
                operation.trace,
                operation=operation_id,
                action=operation.action.value,
                engine=machine.id,
            ),
        ):
            await _carried_out(machine, operation)


async def _carried_out(machine: Machine, operation: OperationRecord) -> None:
    operation_id = operation.id
    if operation.epoch == 1 and operation.started_at is not None:
        QUEUE_SECONDS.observe(max(0.0, operation.started_at - operation.created_at))
    try:
        await _performed(machine, operation)
    except Fenced:
        log.info("operation is held by another engine now")
    except MantleError as error:
        await _refused(machine, operation, str(error))
    except Exception:
        # The one place where anything may be caught: an operation must never stay IN_PROGRESS.
        log.exception("operation failed by a defect of Mantle")
        await _refused(
            machine,
            operation,
            f"Internal error while operation {operation_id} was performed. "
            "Nothing was lost: see the server's log for this id, then update or delete the stack.",
        )


async def _claimed(
    machine: Machine, operation_id: OperationId, attempt: int | None
) -> OperationRecord | None:
    """Claim it; a database that cannot be written to is tried again until it can."""
    tries = 0
    while True:
        try:
            return await machine.database.write_fenced(
                operation_rows.claim, operation_id, machine.id, machine.clock.now(), attempt
            )
        except Exception:
            log.exception("an operation could not be claimed", operation=operation_id)
            tries += 1
            await _pause(machine, tries)


async def _pause(machine: Machine, tries: int) -> None:
    settings = machine.settings
    await asyncio.sleep(
        backoff(settings.retry_first_seconds, settings.retry_most_seconds, tries, 0.5)
    )


async def _performed(machine: Machine, operation: OperationRecord) -> None:
    operation, stack = await _turn(machine, operation)
    structlog.contextvars.bind_contextvars(stack=stack.name, project=stack.project_id)
    tracing.note(stack=stack.name)
    log.log(DEBUG if operation.parent_id else INFO, "operation begins", epoch=operation.epoch)
    if operation.cancel is not None and operation.plan_id is None:
        await finish(machine, operation, stack, Verdict(cancelled=operation.cancel), None, [])
        return
    frame = await _frame(machine, operation, stack)
    if operation.action is Action.DELETE:
        source = await machine.database.read(stack_rows.load_source, stack.source_id)
        frame.environment = load_environment(source)
    walked = Walked()
    walk: Walk | None = None
    for _ in range(machine.settings.rounds):
        rows = {row.id: row for row in frame.rows}
        walk = Walk(
            machine,
            frame.operation,
            stack,
            frame.loaded,
            frame.plan,
            rows,
            frame.environment,
            await _standing(machine, frame),
            frame.keeping,
        )
        walked = await walk.run()
        frame.rows = list(walk.rows.values())
        frame.operation = replace(frame.operation, steps_done=walk.done_count)
        frame.skipped += walked.skipped
        if frame.plan.binds:
            # What else there is to do now is for another plan to say.
            break
        if not walked.finished or not (walked.surprises or _may_need_more(frame.plan)):
            break
        again = await _planned_again(machine, frame, stack)
        if all(step.kind is StepKind.KEEP for step in again.steps):
            break
        await _adopt_plan(machine, frame, again)
    verdict = _verdict(frame.operation, walked, frame.skipped)
    if verdict.failure is not None and not frame.plan.whole:
        # One part of a plan has no way back of its own; it stops where it stands.
        verdict = replace(verdict, cancelled=verdict.cancelled or Cancel.STOP)
    await finish(machine, frame.operation, stack, verdict, frame.loaded, frame.rows)


def _at_its_turn(
    connection: Connection, operation: OperationRecord
) -> tuple[OperationRecord, StackRecord] | None:
    """Both as of one moment; None while an earlier operation of the stack has not ended.

    Note: overtaken in between. The operation was read as not cancelled; then a newer one was
    accepted, which asks this one to stop and puts its own template in force; then the stack was
    read. This one's plan would be carried out with the other's template.
    """
    waiting = operation_rows.live_of_stack(connection, operation.stack_id)
    now = next((each for each in waiting if each.id == operation.id), None)
    if now is None or now.epoch != operation.epoch:
        # Whoever took it over goes on; reading on would make two holders of one epoch.
        raise Fenced
    if waiting[0].id != operation.id:
        return None
    stack = stack_rows.get(connection, operation.stack_id)
    assert stack is not None, "an operation's stack is never deleted from the table"
    return now, stack


async def _standing(machine: Machine, frame: Frame) -> Standing:
    """What people asked of the plan's steps before; nothing, for an operation just accepted."""
    asked = await machine.database.read(intervention_rows.of_operation, frame.operation.id)
    return standing(frame.plan, asked) if asked else Standing()


async def _planned_again(machine: Machine, frame: Frame, stack: StackRecord) -> Plan:
    """What there is still to do; what somebody skipped is left out of it."""
    within: Collection[str] | None = frame.plan.within
    asked = await machine.database.read(intervention_rows.of_operation, frame.operation.id)
    without = left_out(asked)
    if without and frame.loaded is not None:
        every = {row.name for row in frame.rows} | set(frame.loaded.graph.resources)
        within = (every if within is None else set(within)) - without
    again = await make_plan(
        machine,
        stack,
        frame.operation.action,
        frame.loaded,
        _present(frame.rows),
        asker=frame.operation.requester,
        again=True,
        within=within,
        restores=frame.restores,
    )
    return replace(again, whole=frame.plan.whole)


async def _turn(
    machine: Machine, operation: OperationRecord
) -> tuple[OperationRecord, StackRecord]:
    """Wait until every earlier operation of the stack has ended."""
    while True:
        ticket = machine.nudges.ticket(("operations", operation.stack_id))
        found = await machine.database.read(_at_its_turn, operation)
        if found is not None:
            return found
        await machine.nudges.sleep(ticket, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """What an operation works from, as of one moment."""

    rows: list[ResourceRecord]
    plan: Mapping[str, Any] | None
    source_id: str
    source: TemplateSource | None
    """None when what there is to do follows from the rows."""


def _stored(connection: Connection, operation: OperationRecord, stack: StackRecord) -> _Stored:
    """The rows, the plan if there is one, and the operation's own template.

    Of an operation that was overtaken long ago the template may have been forgotten.

    Note: overtaken, then taken over. An operation was asked to stop by a newer one, which put its
    own template in force, and its engine died before the steps under way had ended. Whoever
    carries them on reads the template that they were begun with: the newer one may declare other
    values for the same names, or not the names at all.
    """
    document: Mapping[str, Any] | None = None
    source_id = stack.source_id
    if operation.plan_id is not None:
        document = operation_rows.plan_document(connection, operation.plan_id)
        assert document is not None, "an operation's plan is stored with it"
        source_id = document.get("source_id") or source_id
    source: TemplateSource | None = None
    if operation.action in DESIRED and not _undoes_create(operation, stack):
        source = stack_rows.find_source(connection, source_id)
        if source is None:
            source = stack_rows.load_source(connection, stack.source_id)
    return _Stored(
        rows=resource_rows.of_stack(connection, stack.id),
        plan=document,
        source_id=source_id,
        source=source,
    )


async def _frame(machine: Machine, operation: OperationRecord, stack: StackRecord) -> Frame:
    """What is to be done: from memory right after the request, else from the rows."""
    keeping = await keeping_of(machine, operation, stack)
    handover = machine.handovers.pop(operation.id, None)
    if handover is not None and operation.epoch == 1 and operation.plan_id == handover.plan.id:
        return Frame(
            operation=operation,
            stack=stack,
            loaded=handover.loaded,
            plan=handover.plan,
            rows=list(handover.rows),
            source_id=stack.source_id,
            keeping=keeping,
        )
    stored = await machine.database.read(_stored, operation, stack)
    rows, document, source_id = stored.rows, stored.plan, stored.source_id
    loaded = None if stored.source is None else await load(machine, stack, stored.source)
    if document is not None:
        return Frame(
            operation=operation,
            stack=stack,
            loaded=loaded,
            plan=plan_from_json(document),
            rows=rows,
            source_id=source_id,
            keeping=keeping,
        )
    action = operation.action
    if loaded is None and action is Action.ROLLBACK:
        # Rolling back a create is a delete that leaves the stack.
        action = Action.DELETE
    restores: frozenset[str] = frozenset()
    if keeping is not None and action is Action.RESTORE:
        restores = keeping.restores(rows, operation.id)
    seen: Sequence[ResourceRecord] = rows
    if operation.observes:
        await machine.observe(stack, operation.id)
        seen = await rows_to_correct(machine, stack.id, rows, operation.id)
    plan = await make_plan(
        machine, stack, action, loaded, seen, asker=operation.requester, restores=restores
    )
    if operation.observes:
        plan = replace(plan, corrects=operation.id)
    frame = Frame(
        operation=operation,
        stack=stack,
        loaded=loaded,
        plan=plan,
        rows=rows,
        source_id=source_id,
        keeping=keeping,
    )
    await _adopt_plan(machine, frame, plan)
    return frame


def _undoes_create(operation: OperationRecord, stack: StackRecord) -> bool:
    return operation.action is Action.ROLLBACK and stack.previous_source_id is None


async def _adopt_plan(machine: Machine, frame: Frame, plan: Plan) -> None:
    """Store a plan made by the engine, with the rows it will fill, before the first step."""
    made = new_rows(plan, frame.loaded, frame.rows, frame.operation.id, machine.clock.now())
    frame.plan = plan
    frame.rows = [*_present(frame.rows), *made]
    frame.operation = replace(
        frame.operation, plan_id=plan.id, steps_total=len(plan.steps), steps_done=0
    )
    document = plan_json(plan)
    entry = Entry(operation_id=frame.operation.id, epoch=frame.operation.epoch)
    entry.new_resources = made
    entry.operation = frame.operation
    entry.also = lambda connection: operation_rows.add_plan(
        connection,
        plan_id=plan.id,
        stack_id=plan.stack_id,
        project_id=frame.operation.project_id,
        document=document,
        created_at=plan.made_at,
        expires_at=plan.expires_at,
        source_id=frame.source_id,
    )
    await machine.journal.write(entry)


def _present(rows: list[ResourceRecord]) -> list[ResourceRecord]:
    return [row for row in rows if row.state != "DELETE_COMPLETE"]


def _may_need_more(plan: Plan) -> bool:
    """An in-place update may have changed what others read; they are planned again then."""
    return plan.action in {Action.UPDATE, Action.ROLLBACK} and any(
        step.kind is StepKind.UPDATE for step in plan.steps
    )


def _verdict(operation: OperationRecord, walked: Walked, skipped: tuple[str, ...]) -> Verdict:
    """A person who had it go on in spite of a failure does not want it rolled back."""
    if walked.failures:
        cancelled = walked.cancel or (Cancel.STOP if walked.tolerated else None)
        return Verdict(failure=summary(walked.failures), cancelled=cancelled)
    if walked.timed_out:
        return Verdict(failure=f"{operation.action.title()} timed out", cancelled=walked.cancel)
    if walked.cancel is Cancel.ROLLBACK:
        # Asked in time, so promised: also when the steps under way were the last ones.
        return Verdict(cancelled=walked.cancel)
    if walked.cancel is not None and not walked.finished:
        return Verdict(cancelled=walked.cancel)
    if skipped and operation.action is Action.DELETE:
        # What was not removed is still there, and the stack with it: it must be found again.
        return Verdict(failure=f"the stack stays, as not removed were: {'; '.join(skipped)}")
    return Verdict(skipped=skipped)


async def _refused(machine: Machine, operation: OperationRecord, reason: str) -> None:
    """End an operation that could not even be walked.

    Often it is the database that failed it; then this cannot be written either. It is tried again
    until it can, so that the operation is never left as running with nobody who performs it.
    """
    tries = 0
    while True:
        try:
            stack = await machine.database.read(stack_rows.get, operation.stack_id)
            # One that does not open is why it was refused, and is no reason to try for ever.
            ids = [operation.stack_id]
            rows = await machine.database.read(resource_rows.readable_of_stacks, ids)
            assert stack is not None, "an operation's stack is never deleted from the table"
            verdict = Verdict(failure=reason, cancelled=operation.cancel)
            await finish(machine, operation, stack, verdict, None, rows)
        except Fenced:
            return
        except Exception:
            log.exception("an operation's end could not be written", operation=operation.id)
            tries += 1
            await _pause(machine, tries)
        else:
            return
