"""An operation that ended badly goes on: the same operation, with the same plan.

Its rows say how far it came. Failed steps are begun again on the rows and tokens they had, so that
what their first try left in the cloud is found; everything else is as after a crash. Only the last
operation of a stack may go on: after another one, the plan fits no longer.

An operation of a stack inside goes on together with the steps of its parents that it failed.
"""

from dataclasses import dataclass, replace

from mantle.engine.deeds import ACTIONS
from mantle.engine.intervening import begun_again, given_up
from mantle.engine.machine import Machine
from mantle.engine.shelter import is_container
from mantle.model.errors import Conflict
from mantle.model.ids import OperationId, StepKey
from mantle.model.interventions import WHOLE, Intervention, Verb
from mantle.model.plan import Plan, Step
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, OperationStatus, Status
from mantle.plan.interventions import No, Stage, spared, standing, told
from mantle.plan.render import plan_from_json
from mantle.stacks.guards import refuse_protected
from mantle.stacks.handing import hands_over, latest_handed_over
from mantle.store import events as event_rows
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import snapshots as snapshot_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

Started = list[tuple[OperationId, int]]
"""What the runtime is to start when the transaction is durable: operations with their epochs."""

MOST_CHAINED = 64
LATER_ROUNDS = 512
"""So many rounds of a step are looked through for an operation it handed over."""
"""Parents above one another; nesting is bounded far below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants it, and which steps are to be begun again: one, all, or none but those left."""

    asked: Intervention
    retried: StepKey | None = WHOLE
    skipped: StepKey | None = None

    def wants(self, step: StepKey) -> bool:
        """Whether a failed step is begun again."""
        return self.retried in {WHOLE, step} and step != self.skipped


def stage_of(operation: OperationRecord) -> Stage:
    """How far it is."""
    if not operation.status.ended:
        return Stage.LIVE
    return Stage.ENDED_WELL if operation.status is OperationStatus.COMPLETE else Stage.ENDED_BADLY


def plan_of(connection: Connection, operation: OperationRecord) -> Plan | None:
    """Its plan; None before it is planned, and when the plan is forgotten."""
    if operation.plan_id is None:
        return None
    document = operation_rows.plan_document(connection, operation.plan_id)
    return None if document is None else plan_from_json(document)


def why_not(connection: Connection, operation: OperationRecord) -> No | None:
    """Why an operation that has ended cannot go on; None when it can."""
    stack = stack_rows.get(connection, operation.stack_id)
    if stack is None or stack.deleted_at is not None:
        return No("its stack is deleted")
    newest = operation_rows.listing(connection, stack_id=stack.id, limit=1)
    if newest and newest[0].id != operation.id:
        return No(
            f"the stack has gone on since, with operation {newest[0].id} ({newest[0].action})",
            f"See `mantle operation explain {newest[0].id}`, or update the stack.",
        )
    plan = plan_of(connection, operation)
    if plan is None and operation.plan_id is not None:
        return No("its plan is forgotten, so long ago was it made", "Update the stack.")
    if plan is not None and plan.binds and stack.parent_id is None:
        return No(
            f"it is a part of saved plan {plan.part_of}",
            f"`mantle plan apply {plan.part_of}` does what is pending.",
        )
    return None


def revive(
    connection: Connection, machine: Machine, operation: OperationRecord, wish: Wish
) -> Started:
    """Have it go on, and its parents with it; raises `Conflict` when that cannot be."""
    no = why_not(connection, operation)
    if no is not None:
        raise Conflict(
            f"Operation {operation.id} cannot go on: {no.reason}.",
            remedy=no.remedy,
            fault="Conflict",
        )
    started = _revive(connection, machine, operation, wish)
    return started + _with_parents(connection, machine, operation, wish)


def revive_if_ended(connection: Connection, machine: Machine, operation_id: OperationId) -> Started:
    """A child's operation goes on for its parent's sake; nothing when it did not end badly."""
    operation = operation_rows.get(connection, operation_id)
    if operation is None or stage_of(operation) is not Stage.ENDED_BADLY:
        return []
    if why_not(connection, operation) is not None:
        return []
    asked = Intervention(
        id=machine.new_id(),
        operation_id=operation.id,
        stack_id=operation.stack_id,
        project_id=operation.project_id,
        plan_id=operation.plan_id,
        verb=Verb.RETRY,
        why="the step it is done for is tried again",
        user_name="mantle",
        asked_at=machine.clock.now(),
        before=operation.status,
        settled_at=machine.clock.now(),
        honoured=True,
        outcome="goes on",
    )
    intervention_rows.add(connection, asked)
    return _revive(connection, machine, operation, Wish(asked=asked))


def _revive(
    connection: Connection, machine: Machine, operation: OperationRecord, wish: Wish
) -> Started:
    now = machine.clock.now()
    stack = stack_rows.get(connection, operation.stack_id)
    assert stack is not None, "why_not has seen it"
    if operation.action is Action.DELETE:
        refuse_protected(connection, stack)
    time = machine.settings.operation_timeout_seconds
    if operation.deadline_at is not None:
        time = max(1.0, operation.deadline_at - (operation.started_at or operation.created_at))
    epoch = operation_rows.revive(connection, operation.id, now + time)
    if epoch is None:
        return []
    started: Started = [(operation.id, epoch)]
    plan = plan_of(connection, operation)
    if plan is not None:
        started += _rows_again(connection, machine, operation, plan, wish)
    if operation.action is Action.SNAPSHOT:
        snapshot_rows.settle(connection, operation.id, Status.IN_PROGRESS, "")
    on = _goes_on(stack, operation, wish)
    stack_rows.save(connection, on)
    event = machine.stack_event(on, operation, on.action, on.status, on.reason)
    event_rows.add(connection, [event])
    return started


def _goes_on(stack: StackRecord, operation: OperationRecord, wish: Wish) -> StackRecord:
    return replace(
        stack,
        action=operation.action,
        status=Status.IN_PROGRESS,
        reason=f"Stack {operation.action} goes on, asked for by {wish.asked.by}",
    )


def _rows_again(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    plan: Plan,
    wish: Wish,
) -> Started:
    """Bring the rows to where the steps can be begun; the answer are the children's operations."""
    now = machine.clock.now()
    rows = {row.id: row for row in resource_rows.of_stack(connection, operation.stack_id)}
    held = standing(plan, intervention_rows.of_operation(connection, operation.id))
    skipped = dict(held.skipped)
    if wish.skipped is not None:
        skipped = spared(plan, {**skipped, wish.skipped: told(wish.asked)})
    if wish.retried is not None:
        skipped.pop(wish.retried, None)
    started: Started = []
    changed: list[ResourceRecord] = []
    for step in plan.steps:
        row = rows.get(step.resource_id)
        if row is None or not _unfinished(row, step, plan):
            continue
        if step.key in skipped:
            if step.key == wish.skipped:
                changed.append(given_up(row, now, told(wish.asked)))
            continue
        if row.status is Status.FAILED and not wish.wants(step.key):
            if step.key not in held.tolerated:
                intervention_rows.add(connection, _left_failed(machine, operation, step, row))
            continue
        changed.append(begun_again(row, now, f"begun again, asked for by {wish.asked.by}"))
        if is_container(machine, row):
            child = latest_handed_over(connection, operation.id, step.key, plan.id)
            started += revive_if_ended(connection, machine, child)
    resource_rows.save(connection, changed)
    event_rows.add(connection, [machine.resource_event(row) for row in changed])
    return started


def _unfinished(row: ResourceRecord, step: Step, plan: Plan) -> bool:
    ours = row.plan_id == plan.id and row.action is ACTIONS.get(step.kind)
    return ours and row.status is not Status.COMPLETE


def _left_failed(
    machine: Machine, operation: OperationRecord, step: Step, row: ResourceRecord
) -> Intervention:
    """Another step goes on: this one's failure must not keep it back."""
    now = machine.clock.now()
    return Intervention(
        id=machine.new_id(),
        operation_id=operation.id,
        stack_id=operation.stack_id,
        project_id=operation.project_id,
        plan_id=operation.plan_id,
        step=step.key,
        verb=Verb.CANCEL,
        why=f"left as it failed, while other steps go on: {row.reason}",
        user_name="mantle",
        asked_at=now,
        before=f"failed: {row.reason}",
        carry_on=True,
        settled_at=now,
        honoured=True,
        outcome="its failure keeps no other back",
    )


# --- parents ---------------------------------------------------------------------------------


def _with_parents(
    connection: Connection, machine: Machine, operation: OperationRecord, wish: Wish
) -> Started:
    """The step that handed this operation over goes on, and what that one is a part of."""
    started: Started = []
    child = operation
    for _ in range(MOST_CHAINED):
        parent = operation_rows.get(connection, child.parent_id) if child.parent_id else None
        if parent is None:
            return started
        plan = plan_of(connection, parent)
        step = _step_of(plan, parent, child)
        if plan is None or step is None or stage_of(parent) is Stage.ENDED_WELL:
            raise Conflict(
                f"Operation {operation.id} is a part of {parent.id}, which has gone on without it.",
                remedy="Update the outermost stack.",
                fault="Conflict",
            )
        asked = _for_the_child(machine, parent, step, wish.asked)
        if stage_of(parent) is Stage.LIVE:
            row = resource_rows.get(connection, step.resource_id)
            if row is not None and row.status is Status.FAILED:
                intervention_rows.add(connection, asked)
            return started
        no = why_not(connection, parent)
        if no is not None:
            raise Conflict(
                f"Operation {operation.id} cannot go on, as the one it is a part of cannot: "
                f"{no.reason}.",
                remedy=no.remedy,
                fault="Conflict",
            )
        intervention_rows.add(connection, settled(asked, machine.clock.now(), "goes on"))
        started += _revive(connection, machine, parent, Wish(asked=asked, retried=step.key))
        child = parent
    return started


def _step_of(plan: Plan | None, parent: OperationRecord, child: OperationRecord) -> Step | None:
    steps = plan.steps if plan is not None else ()
    for most in (1, LATER_ROUNDS):
        for step in steps:
            if hands_over(parent.id, step.key, parent.plan_id, child.id, most):
                return step
    return None


def _for_the_child(
    machine: Machine, parent: OperationRecord, step: Step, asked: Intervention
) -> Intervention:
    return Intervention(
        id=machine.new_id(),
        operation_id=parent.id,
        stack_id=parent.stack_id,
        project_id=parent.project_id,
        plan_id=parent.plan_id,
        step=step.key,
        verb=Verb.RETRY,
        why=f"{asked.verb} in the stack inside, operation {asked.operation_id}",
        user_id=asked.user_id,
        user_name=asked.user_name,
        asked_at=machine.clock.now(),
        before="failed",
    )


def settled(
    asked: Intervention, now: float, outcome: str, resources: tuple[str, ...] = ()
) -> Intervention:
    """The same, done at once."""
    return replace(asked, settled_at=now, honoured=True, outcome=outcome, resources=resources)
