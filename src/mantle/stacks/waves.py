"""Carries saved plans on: the end of a part, the gates between waves, and the next wave.

Called by upkeep. Every change is written against the version it was read with; the next wave and
the check behind a health gate begin in the transaction that says so in the plan.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from mantle.access.caller import Caller
from mantle.engine.operation import load, make_plan
from mantle.model.errors import Conflict, MantleError
from mantle.model.ids import PlanId, ProjectId, StepKey, UserId
from mantle.model.policies import Asker
from mantle.model.records import OperationRecord, StackRecord
from mantle.model.saved import Gate, PlanStatus, SavedPlan
from mantle.model.status import Action, OperationStatus, Status
from mantle.plan.part import REMOVING
from mantle.stacks.accept import Acceptance, accept, new_operation
from mantle.stacks.applying import apply_part, wave_part
from mantle.stacks.control import Control
from mantle.stacks.saving import find_saved, resources_of
from mantle.stacks.unmoved import refuse_moved
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import saved_plans as saved_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

AGAIN_SECONDS = 30.0
"""Between two checks of a health gate, and two looks at a busy stack."""

KEPT_SECONDS = 30 * 86_400.0
"""Plans that are over are kept so long after they were made."""

FOREVER = float("inf")


async def carry_on(control: Control, safely: Callable[[Awaitable[None]], Awaitable[None]]) -> float:
    """Do for every plan at work what is due; the answer is when something is due next.

    `safely` awaits one plan's turn and survives whatever comes of it.
    """
    now = control.clock.now()
    next_at = FOREVER
    for plan_id, status, operation_id, look_at, expires_at in await control.database.read(
        saved_rows.at_work
    ):
        if look_at > now:
            next_at = min(next_at, look_at)
            continue
        ended: OperationRecord | None = None
        if operation_id is not None:
            ended = await control.database.read(operation_rows.get, operation_id)
            if ended is not None and not ended.status.ended:
                # Its end nudges; another engine's is seen at the next look.
                continue
        if status is PlanStatus.WAITING and now < expires_at:
            next_at = min(next_at, expires_at)
            continue
        saved = await control.database.read(saved_rows.get, plan_id)
        if saved is not None:
            await safely(_one(control, saved, ended, now))
            next_at = min(next_at, now + 1.0)
    return next_at


async def _one(
    control: Control, saved: SavedPlan, ended: OperationRecord | None, now: float
) -> None:
    if saved.status is PlanStatus.RUNNING:
        await _ended(control, saved, ended, now)
    elif now >= saved.expires_at:
        await _write(
            control,
            replace(
                saved,
                status=PlanStatus.EXPIRED,
                reason=f"its time is over with {len(saved.pending)} steps pending",
                ended_at=now,
            ),
        )
    elif saved.status is PlanStatus.CHECKING:
        await _check(control, saved, ended, now)
    elif saved.status is PlanStatus.READY:
        await _next_wave(control, saved, now)


# --- the end of a part -----------------------------------------------------------------------


async def _ended(
    control: Control, saved: SavedPlan, operation: OperationRecord | None, now: float
) -> None:
    """What the operation has done is done; what comes next depends on the gate."""
    well = operation is not None and operation.status is OperationStatus.COMPLETE
    finished = saved.running if well else await _finished(control, saved, operation)
    done = (*saved.done, *finished)
    after = replace(saved, done=done, running=(), operation_id=None)
    if not well:
        reason = operation.reason if operation is not None else "its operation is gone"
        after = replace(after, status=PlanStatus.STOPPED, reason=reason)
    elif len(done) == len(saved.plan.steps):
        left = await _left_over(control, saved)
        after = replace(after, status=PlanStatus.APPLIED, reason=left, ended_at=now)
    elif not saved.waves:
        after = replace(after, status=PlanStatus.PARTIAL, reason=f"{len(after.pending)} pending")
    else:
        after = _gated(after)
    await _write(control, after)


def _gated(saved: SavedPlan) -> SavedPlan:
    """Behind a wave: at its gate."""
    wave, number = saved.waves[saved.wave], saved.wave + 1
    after = replace(saved, wave=number)
    told = f"wave {number} of {len(saved.waves)} is done"
    match wave.gate:
        case Gate.NONE:
            return replace(after, status=PlanStatus.READY, reason=told)
        case Gate.MANUAL:
            return replace(
                after, status=PlanStatus.WAITING, reason=f"{told}; someone has to say go on"
            )
        case Gate.HEALTH:
            return replace(
                after, status=PlanStatus.CHECKING, reason=f"{told}; its resources are checked"
            )


async def _finished(
    control: Control, saved: SavedPlan, operation: OperationRecord | None
) -> tuple[StepKey, ...]:
    """The steps that an operation which did not come to its end has done, by their rows."""
    if operation is None:
        return ()
    rows = await control.database.read(resource_rows.of_stack, saved.stack_id)
    by_id = {row.id: row for row in rows}
    running = set(saved.running)
    found: list[StepKey] = []
    for step in saved.plan.steps:
        if step.key not in running:
            continue
        row = by_id.get(step.resource_id)
        if step.kind in REMOVING:
            gone = row is None or row.state == "DELETE_COMPLETE"
        else:
            gone = (
                row is not None
                and row.plan_id == operation.plan_id
                and row.status is Status.COMPLETE
                and row.action is not Action.INIT
            )
        if gone:
            found.append(step.key)
    return tuple(found)


async def _left_over(control: Control, saved: SavedPlan) -> str:
    """What an applied plan leaves undone because it was not in it, in a sentence."""
    stack = await control.database.read(stack_rows.get, saved.stack_id)
    if stack is None or stack.deleted_at is not None or saved.plan.action is Action.DELETE:
        return ""
    try:
        source = await control.database.read(stack_rows.load_source, stack.source_id)
        loaded = await load(control.machine, stack, source)
        rows = await control.database.read(resource_rows.of_stack, stack.id)
        plan = await make_plan(control.machine, stack, Action.UPDATE, loaded, rows, only_shown=True)
    except MantleError:
        return ""
    if plan.is_empty:
        return ""
    names = ", ".join(str(step.key) for step in plan.steps[:5])
    return f"not in the plan, and therefore not done: {names}"


# --- gates -----------------------------------------------------------------------------------


async def continue_plan(control: Control, caller: Caller, plan_id: str) -> SavedPlan:
    """Open the gate that a plan waits at."""
    saved = await find_saved(control, caller.project_id, plan_id)
    if saved.status not in {PlanStatus.WAITING, PlanStatus.CHECKING}:
        raise Conflict(
            f"Plan {saved.id} waits at no gate; it is {saved.status}.",
            fault="PlanNotApplicable",
        )
    if control.clock.now() >= saved.expires_at:
        raise Conflict(f"Plan {saved.id} has expired.", fault="PlanExpired")
    go = replace(
        saved,
        status=PlanStatus.READY,
        reason=f"{caller.user_name} opened the gate",
        look_at=0.0,
        operation_id=None,
    )
    if not await _write(control, go):
        raise Conflict(f"Plan {saved.id} was changed by someone else in this moment.")
    return replace(go, version=saved.version + 1)


async def _check(
    control: Control, saved: SavedPlan, operation: OperationRecord | None, now: float
) -> None:
    """A health gate: begin a check of the last wave's resources, or read how it ended."""
    if operation is None:
        await _begin_check(control, saved, now)
    elif operation.status is OperationStatus.COMPLETE:
        well = replace(
            saved, status=PlanStatus.READY, reason="the last wave is well", operation_id=None
        )
        await _write(control, well)
    else:
        ill = replace(
            saved,
            reason=f"the last wave is not well: {operation.reason}",
            operation_id=None,
            look_at=now + AGAIN_SECONDS,
        )
        await _write(control, ill)


async def _begin_check(control: Control, saved: SavedPlan, now: float) -> None:
    stack = await control.database.read(stack_rows.get, saved.stack_id)
    if stack is None or stack.deleted_at is not None:
        await _stop(control, saved, "its stack is gone", now)
        return
    names = set(resources_of(saved, saved.waves[saved.wave - 1].steps))
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    deletes = saved.plan.action is Action.DELETE
    # A deletion's wave leaves nothing of its own to look at: what is left has to be well without.
    chosen = [row for row in rows if deletes or row.name in names]
    plan = await make_plan(control.machine, stack, Action.CHECK, None, chosen)
    if plan.is_empty:
        await _write(control, replace(saved, status=PlanStatus.READY, reason="nothing to check"))
        return
    operation = new_operation(control, applier(saved), stack, Action.CHECK)
    checking = replace(saved, operation_id=operation.id, look_at=0.0)

    def store(connection: Connection) -> StackRecord:
        current = stack_rows.get(connection, stack.id)
        if current is None:
            raise Conflict(f"Stack {stack.name!r} is gone.")
        refuse_moved(connection, current, stack, rows)
        if not saved_rows.save(connection, checking):
            raise Conflict(f"Plan {saved.id} was changed by someone else in this moment.")
        acting = replace(
            current,
            action=Action.CHECK,
            status=Status.IN_PROGRESS,
            reason="Stack CHECK started",
        )
        stack_rows.save(connection, acting)
        return acting

    acceptance = Acceptance(operation=operation, store=store, plan=plan, rows=chosen)
    try:
        await accept(control, acceptance)
    except Conflict:
        await _write(control, replace(saved, look_at=now + AGAIN_SECONDS))


async def _next_wave(control: Control, saved: SavedPlan, now: float) -> None:
    part = wave_part(saved)
    if not part.steps:
        await _write(control, _gated(saved))
        return
    try:
        await apply_part(control, applier(saved), saved, part)
    except Conflict as error:
        if error.fault == "ActionInProgress":
            busy = replace(saved, reason=str(error), look_at=now + AGAIN_SECONDS)
            await _write(control, busy)
        else:
            await _stop(control, saved, str(error), now)
    except MantleError as error:
        await _stop(control, saved, str(error), now)


async def _stop(control: Control, saved: SavedPlan, reason: str, now: float) -> None:
    del now
    await _write(control, replace(saved, status=PlanStatus.STOPPED, reason=reason))


async def _write(control: Control, saved: SavedPlan) -> bool:
    written = await control.database.write(saved_rows.save, saved)
    if written:
        control.machine.nudges.nudge("upkeep")
        control.machine.nudges.nudge(("plan", saved.id))
    return written


def applier(saved: SavedPlan) -> Caller:
    """Whoever applied the plan first, with the roles of then."""
    asker: Asker = saved.applied_by
    return Caller(
        user_id=UserId(asker.user_id),
        user_name=asker.user_name,
        project_id=ProjectId(saved.project_id),
        project_name="",
        roles=frozenset(asker.roles),
        request_id=f"plan-{PlanId(saved.id)}",
    )
