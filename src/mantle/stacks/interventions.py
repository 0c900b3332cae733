"""Accepting what a person asks of an operation or a step; doing it is the engine's.

What is asked of an operation under way is a row that the engine which performs it reads. What is
asked of one that ended badly is done here, in one transaction, and the operation goes on.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from msgspec import structs

from mantle.access.caller import Caller
from mantle.engine.machine import Machine
from mantle.engine.shelter import is_container
from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound, NotSupported
from mantle.model.ids import OperationId, ResourceId
from mantle.model.interventions import WHOLE, Intervention, Verb
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord, ResourceRecord
from mantle.model.status import Action, Cancel
from mantle.plan.explain import StepView, views_of
from mantle.plan.interventions import (
    WHOLE_ANSWERS,
    No,
    Stage,
    StepState,
    refusal,
    spared,
    standing,
    told,
)
from mantle.stacks.control import Control
from mantle.stacks.handing import latest_handed_over
from mantle.stacks.resume import Started, Wish, plan_of, revive, settled, stage_of
from mantle.store import events as event_rows
from mantle.store import hooks as hook_rows
from mantle.store import interventions as intervention_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

MOST = 500
"""Interventions in one operation; more are no help, and fill the disk."""

WHY_CHARACTERS = 1_000

TOLD_OF_CANCEL = "what runs is finished, what only waits is given up, nothing more is begun"

BEGUN = {StepState.RUNNING, StepState.HELD, StepState.FAILED}
"""A resource that is replaced has two steps; the one under way is meant by its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked; `step` is a step's key, or the name of a resource that has one step."""

    verb: Verb
    step: str = ""
    why: str = ""
    carry_on: bool = False
    rollback: bool = False
    now: bool = False


@dataclass(slots=True)
class Accepted:
    """What is to be done when the transaction is durable."""

    intervention: Intervention
    started: Started = field(default_factory=list)
    released: list[OperationId] = field(default_factory=list)


async def intervene(
    control: Control, caller: Caller, operation: OperationRecord, ask: Ask
) -> Intervention:
    """Accept it; durable when this returns. Asking for the same again answers the open request.

    Raises `Conflict` when the state does not allow it, `NotFound` for a step that is not there.
    """
    if len(ask.why) > WHY_CHARACTERS:
        raise MantleError(f"The reason is longer than {WHY_CHARACTERS} characters.")
    machine = control.machine
    accepted = await control.database.write(_accept, machine, caller, operation.id, ask)
    for operation_id in accepted.released:
        await control.runtime.let_go(operation_id)
    for operation_id, epoch in accepted.started:
        await machine.start(operation_id, epoch)
    machine.nudges.nudge(("cancel", operation.id))
    machine.nudges.nudge(("operations", operation.stack_id))
    machine.nudges.nudge(operation.stack_id)
    return accepted.intervention


def _accept(
    connection: Connection, machine: Machine, caller: Caller, operation_id: OperationId, ask: Ask
) -> Accepted:
    operation = operation_rows.get(connection, operation_id)
    assert operation is not None, "the caller has found it"
    earlier = intervention_rows.of_operation(connection, operation.id)
    if len(earlier) >= MOST:
        raise LimitExceeded(
            f"Operation {operation.id} has had {MOST} interventions; that is all it may have.",
            remedy="Cancel it, or update the stack.",
        )
    if ask.step == WHOLE:
        return _whole(connection, machine, caller, operation, ask, earlier)
    plan = plan_of(connection, operation)
    if plan is None:
        raise Conflict(
            f"Operation {operation.id} has no plan yet, so it has no steps.",
            remedy="It is planned when the operation before it has ended.",
            fault="Conflict",
        )
    rows = {row.id: row for row in resource_rows.of_stack(connection, operation.stack_id)}
    view = _chosen(_views(connection, operation, plan, rows, earlier), ask.step, operation)
    asked = replace(
        _asked(machine, caller, operation, ask),
        step=view.key,
        before=f"{view.state}: {view.said}" if view.said else view.state.value,
    )
    open_one = _the_same(earlier, asked)
    if open_one is not None:
        return Accepted(open_one)
    stage = stage_of(operation)
    no = refusal(stage, ask.verb, view.state, carry_on=ask.carry_on, binds=plan.binds)
    if no is not None:
        raise _refused(f"Step {view.key!r} of operation {operation.id}", ask.verb, no)
    step = next(each for each in plan.steps if each.key == view.key)
    row = rows.get(step.resource_id)
    _tell(connection, machine, operation, asked, row)
    inner = None
    if row is not None and is_container(machine, row):
        child = latest_handed_over(connection, operation.id, view.key, plan.id)
        inner = operation_rows.get(connection, child)
    if stage is Stage.LIVE:
        return _live(connection, machine, operation, asked, view, inner)
    return _ended(connection, machine, operation, asked, plan)


def _live(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    asked: Intervention,
    view: StepView,
    inner: OperationRecord | None,
) -> Accepted:
    if asked.verb is Verb.TAKE_OVER:
        accepted = _taken_over(connection, machine, operation, asked)
        if inner is not None and not inner.status.ended:
            more = _taken_over(connection, machine, inner, _inside(machine, asked, inner))
            accepted.started += more.started
            accepted.released += more.released
        return accepted
    if asked.verb is Verb.RETRY and view.state is StepState.RUNNING and inner is not None:
        raise _refused(
            f"Step {view.key!r} of operation {operation.id}",
            asked.verb,
            No(
                f"its work is done by operation {inner.id}, in the stack inside",
                f"See `mantle operation explain {inner.id}`.",
            ),
        )
    intervention_rows.add(connection, asked)
    return Accepted(asked)


def _ended(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    asked: Intervention,
    plan: Plan,
) -> Accepted:
    now = machine.clock.now()
    if asked.verb is Verb.RETRY:
        started = revive(connection, machine, operation, Wish(asked=asked, retried=asked.step))
        done = settled(asked, now, "goes on")
    else:
        wish = Wish(asked=asked, retried=None, skipped=asked.step)
        started = revive(connection, machine, operation, wish)
        resources = {step.key: step.resource for step in plan.steps}
        held = standing(plan, intervention_rows.of_operation(connection, operation.id)).skipped
        without = spared(plan, {**held, asked.step: told(asked)})
        names = {resources[key] for key in without if key not in held}
        done = settled(asked, now, told(asked), tuple(sorted(names)))
    intervention_rows.add(connection, done)
    return Accepted(done, started=started)


# --- the whole operation ---------------------------------------------------------------------


def _whole(
    connection: Connection,
    machine: Machine,
    caller: Caller,
    operation: OperationRecord,
    ask: Ask,
    earlier: Sequence[Intervention],
) -> Accepted:
    stage = stage_of(operation)
    no = WHOLE_ANSWERS[stage, ask.verb]
    if no is not None:
        raise _refused(f"Operation {operation.id}", ask.verb, no)
    asked = _asked(machine, caller, operation, ask)
    open_one = _the_same(earlier, asked)
    if open_one is not None:
        return Accepted(open_one)
    if ask.verb is Verb.CANCEL:
        return _cancelled(connection, machine, operation, asked, rollback=ask.rollback)
    _tell(connection, machine, operation, asked, None)
    if ask.verb is Verb.TAKE_OVER:
        return _taken_over(connection, machine, operation, asked)
    started = revive(connection, machine, operation, Wish(asked=asked))
    done = settled(asked, machine.clock.now(), "goes on")
    intervention_rows.add(connection, done)
    return Accepted(done, started=started)


def _cancelled(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    asked: Intervention,
    *,
    rollback: bool,
) -> Accepted:
    """What runs is finished, or stopped with `now`; a request that asks for more stays in force."""
    if rollback and (
        operation.action not in {Action.UPDATE, Action.CREATE} or operation.parent_id is not None
    ):
        raise NotSupported(
            f"Operation {operation.id} ({operation.action}) cannot be rolled back.",
            remedy="Creates and updates of outermost stacks can; cancel it without.",
        )
    how = Cancel.ROLLBACK if rollback else Cancel.STOP
    less = {None, Cancel.SUPERSEDE, Cancel.STOP} if rollback else {None, Cancel.SUPERSEDE}
    if operation.cancel in less:
        operation_rows.ask_to_cancel(connection, operation.id, how)
    _tell(connection, machine, operation, asked, None)
    if not asked.now:
        asked = settled(asked, machine.clock.now(), TOLD_OF_CANCEL)
    intervention_rows.add(connection, asked)
    return Accepted(asked)


def _taken_over(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    asked: Intervention,
) -> Accepted:
    epoch = operation_rows.release(connection, operation.id)
    assert epoch is not None, "it was seen live in this transaction"
    by = operation.engine or "nobody"
    done = settled(
        asked,
        machine.clock.now(),
        f"taken from {by} (epoch {operation.epoch}); who goes on with it has epoch {epoch + 1}",
    )
    intervention_rows.add(connection, done)
    return Accepted(done, started=[(operation.id, epoch)], released=[operation.id])


def _inside(machine: Machine, asked: Intervention, inner: OperationRecord) -> Intervention:
    """The same for the operation that does a step's work."""
    return replace(
        asked,
        id=machine.new_id(),
        operation_id=inner.id,
        stack_id=inner.stack_id,
        plan_id=inner.plan_id,
        step=WHOLE,
        before=inner.status.value,
    )


# --- parts -----------------------------------------------------------------------------------


def _asked(machine: Machine, caller: Caller, operation: OperationRecord, ask: Ask) -> Intervention:
    return Intervention(
        id=machine.new_id(),
        operation_id=operation.id,
        stack_id=operation.stack_id,
        project_id=operation.project_id,
        plan_id=operation.plan_id,
        verb=ask.verb,
        why=ask.why,
        user_id=caller.user_id,
        user_name=caller.user_name,
        asked_at=machine.clock.now(),
        before=f"{operation.status}: {operation.reason}".rstrip(": "),
        carry_on=ask.carry_on,
        now=ask.now,
    )


def _the_same(earlier: Sequence[Intervention], asked: Intervention) -> Intervention | None:
    """The open request for the same, if there is one."""
    for each in earlier:
        if each.settled_at is None and (
            (each.verb, each.step, each.plan_id, each.carry_on, each.now)
            == (asked.verb, asked.step, asked.plan_id, asked.carry_on, asked.now)
        ):
            return each
    return None


def _views(
    connection: Connection,
    operation: OperationRecord,
    plan: Plan,
    rows: dict[ResourceId, ResourceRecord],
    earlier: Sequence[Intervention],
) -> tuple[StepView, ...]:
    held = [
        (each.resource, each.hook, each.held_at)
        for each in hook_rows.waiting(connection, operation.stack_id)
        if each.operation_id == operation.id
    ]
    return views_of(operation, plan, rows, held=held, interventions=earlier)


def _chosen(views: Sequence[StepView], name: str, operation: OperationRecord) -> StepView:
    """By key, or by resource when that has one step that is not done."""
    found = [view for view in views if view.key == name]
    if not found:
        mine = [view for view in views if view.resource == name]
        begun = [view for view in mine if view.state in BEGUN]
        unfinished = [view for view in mine if view.state is not StepState.DONE]
        found = next((each for each in (begun, unfinished) if len(each) == 1), mine)
    if len(found) == 1:
        return found[0]
    if found:
        raise MantleError(
            f"Resource {name!r} has {len(found)} steps in operation {operation.id}.",
            remedy="Name one: " + ", ".join(repr(str(view.key)) for view in found) + ".",
        )
    known = [str(view.key) for view in views] + [view.resource for view in views]
    near = difflib.get_close_matches(name[:300], known[:2_000], n=1)
    raise NotFound(
        f"Operation {operation.id} has no step {name[:300]!r}.",
        remedy=(f"Did you mean {near[0]!r}? " if near else "")
        + f"`mantle operation explain {operation.id}` lists them.",
    )


def _refused(what: str, verb: Verb, no: No) -> Conflict:
    return Conflict(
        f"{what} cannot be {PAST[verb]}: {no.reason}.", remedy=no.remedy, fault="Conflict"
    )


PAST = {
    Verb.RETRY: "retried",
    Verb.SKIP: "skipped",
    Verb.TAKE_OVER: "taken over",
    Verb.CANCEL: "cancelled",
}


def _tell(
    connection: Connection,
    machine: Machine,
    operation: OperationRecord,
    asked: Intervention,
    row: ResourceRecord | None,
) -> None:
    """The event of the request; what comes of it is another."""
    what = f"of step {str(asked.step)!r} " if asked.step != WHOLE else ""
    said = f"{asked.verb} {what}asked for by {asked.by}; it was {asked.before}"
    if row is not None:
        event = machine.resource_event(structs.replace(row, reason=said, operation_id=operation.id))
    else:
        stack = stack_rows.get(connection, operation.stack_id)
        assert stack is not None, "an operation's stack is never deleted from the table"
        event = machine.stack_event(stack, operation, stack.action, stack.status, said)
    event_rows.add(connection, [event])
