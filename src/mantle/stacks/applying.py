"""Applies saved plans: precisely what they say, or nothing.

Note: two appliers. Both read the plan as version 3. Each stores its operation in a transaction that
first writes the plan as version 4; the second finds no version 3 any more and stores nothing.

Note: rebased. Plan P was made from source A; meanwhile another plan has brought the stack to B.
What P changed from A is changed in B (`plan.rebase`), the stack is planned again, and P's
steps must come out the same. So what others did elsewhere stays, and does not spoil P.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.engine.drifting import leading_to, seen_rows
from mantle.engine.operation import load, plan_in_full
from mantle.model.drift import Finding
from mantle.model.errors import Conflict, MantleError, NotFound
from mantle.model.graph import TemplateSource
from mantle.model.ids import OperationId, PlanId, ResourceId, StepKey
from mantle.model.plan import Plan, Step
from mantle.model.policies import Asker
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.saved import PlanStatus, SavedPlan
from mantle.model.status import Action, Status
from mantle.plan.binding import moved, touched_by
from mantle.plan.confidential import holds_secrets
from mantle.plan.part import Part, part_of, select
from mantle.plan.rebase import rebased
from mantle.plan.render import plan_from_json
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation
from mantle.stacks.control import Control
from mantle.stacks.create import refuse_taken
from mantle.stacks.drafts import Draft, nested_of
from mantle.stacks.guards import fresh_guard, refuse_protected
from mantle.stacks.observing import observe_stack, unwanted_below
from mantle.stacks.saving import find_saved, resources_of
from mantle.stacks.update import refuse_update
from mantle.store import drift as drift_rows
from mantle.store import guards as guard_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import saved_plans as saved_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.loaded import Loaded

MOST_REQUESTS = 50
"""Request ids kept with a plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRequest:
    """What of the plan to do now: all that is pending, unless it says less."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    request_id: str = ""
    """The same id again is answered with the operation it was answered with first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A part of a plan, accepted."""

    saved: SavedPlan
    stack: StackRecord
    operation: OperationRecord
    part: Part


async def apply_plan(
    control: Control, caller: Caller, plan_id: str, request: ApplyRequest
) -> Applied:
    """Accept the plan or a part of it; durable when this returns.

    Raises `Conflict`, with nothing touched, when it is applied already, being applied, over, or
    when what it touches or uses has moved, naming each resource.
    """
    saved = await find_saved(control, caller.project_id, plan_id)
    known = saved.requests.get(request.request_id) if request.request_id else None
    if known is not None:
        return await _answered(control, saved, known)
    refuse_state(saved)
    part = _part(saved, request)
    return await apply_part(control, caller, saved, part, request.request_id)


def refuse_state(saved: SavedPlan) -> None:
    """Raise `Conflict` unless a part of the plan may be begun."""
    match saved.status:
        case PlanStatus.APPLIED:
            raise Conflict(
                f"Plan {saved.id} was applied already.",
                remedy="Make a new plan.",
                fault="PlanNotApplicable",
            )
        case PlanStatus.EXPIRED:
            raise Conflict(
                f"Plan {saved.id} has expired; nothing was touched.",
                remedy="Make a new plan.",
                fault="PlanExpired",
            )
        case PlanStatus.RUNNING:
            names = ", ".join(resources_of(saved, saved.running)[:10])
            raise Conflict(
                f"Plan {saved.id} is being applied right now ({names}).",
                remedy="Wait for its end.",
                fault="PlanNotApplicable",
            )
        case PlanStatus.WAITING | PlanStatus.CHECKING | PlanStatus.READY:
            raise Conflict(
                f"Plan {saved.id} is at a gate: {saved.reason}.",
                remedy=f"Go on with: mantle plan continue {saved.id}.",
                fault="PlanNotApplicable",
            )
        case PlanStatus.OPEN | PlanStatus.PARTIAL | PlanStatus.STOPPED:
            return


def _part(saved: SavedPlan, request: ApplyRequest) -> Part:
    if saved.plan.is_empty:
        raise MantleError(f"Plan {saved.id} has no steps: there is nothing to apply.")
    if not saved.waves:
        return select(saved.plan, done=saved.done, include=request.include, exclude=request.exclude)
    if request.include or request.exclude:
        raise MantleError(
            f"Plan {saved.id} goes in waves; its parts are chosen already.",
            remedy="Apply it without include and exclude, or save a plan without waves.",
        )
    return wave_part(saved)


def wave_part(saved: SavedPlan) -> Part:
    """What is left of the wave that comes next."""
    done = set(saved.done)
    steps = tuple(key for key in saved.waves[saved.wave].steps if key not in done)
    return Part(steps=steps)


async def _answered(control: Control, saved: SavedPlan, operation_id: OperationId) -> Applied:
    operation = await control.database.read(operation_rows.get, operation_id)
    stack = await control.database.read(stack_rows.get, saved.stack_id)
    if operation is None or stack is None:
        raise NotFound(f"The Operation ({operation_id}) could not be found.")
    return Applied(saved=saved, stack=stack, operation=operation, part=Part(steps=saved.running))


async def apply_part(
    control: Control, caller: Caller, saved: SavedPlan, part: Part, request_id: str = ""
) -> Applied:
    """Verify the part against what is there, and accept it in one transaction."""
    draft, busy = await _now(control, asker_of(caller), saved, part, look=True)
    nested, _ = await nested_of(control, draft, _steps(saved, part.steps))
    problems = moved(
        saved.plan,
        saved.binding,
        set(part.steps),
        saved.done,
        draft.planned,
        draft.rows,
        draft.definitions,
        control.machine.links.key,
        nested,
    )
    if problems:
        raise stale(saved, problems)
    plan = part_of(saved.plan, set(part.steps), PlanId(control.new_id()), fresh=draft.fresh)
    operation = new_operation(control, caller, draft.stack, plan.action)
    if draft.drift:
        plan = replace(plan, corrects=operation.id)
    requests = dict(saved.requests)
    if request_id:
        requests = dict(list({**requests, request_id: operation.id}.items())[-MOST_REQUESTS:])
    running = replace(
        saved,
        status=PlanStatus.RUNNING,
        reason="",
        running=part.steps,
        requests=requests,
        operation_id=operation.id,
        applied_by=asker_of(caller),
        look_at=0.0,
    )
    store = _Store(control, caller, saved, running, draft, plan, operation)
    acceptance = Acceptance(
        operation=operation,
        store=store,
        loaded=draft.loaded,
        plan=plan,
        rows=draft.rows,
        hand_over=not busy,
    )
    stack, operation = await accept(control, acceptance)
    control.machine.nudges.nudge("upkeep")
    stored = replace(running, version=saved.version + 1)
    return Applied(saved=stored, stack=stack, operation=operation, part=part)


def stale(saved: SavedPlan, problems: Sequence[str]) -> Conflict:
    """The refusal that names what moved."""
    told = "; ".join(problems[:20])
    more = f"; and {len(problems) - 20} more" if len(problems) > 20 else ""
    return Conflict(
        f"Plan {saved.id} does not fit any more, nothing was touched: {told}{more}.",
        remedy="Make a new plan.",
        fault="PlanStale",
    )


def _steps(saved: SavedPlan, keys: Sequence[StepKey]) -> list[Step]:
    chosen = set(keys)
    return [step for step in saved.plan.steps if step.key in chosen]


async def what_moved(control: Control, caller: Caller, plan_id: str) -> list[str]:
    """Why the pending part of a plan could not be applied now; empty when it could."""
    saved = await find_saved(control, caller.project_id, plan_id)
    part = Part(steps=saved.pending)
    try:
        refuse_state(saved)
        draft, _ = await _now(control, asker_of(caller), saved, part)
    except MantleError as error:
        return [str(error)]
    nested, _ = await nested_of(control, draft, _steps(saved, part.steps))
    return moved(
        saved.plan,
        saved.binding,
        set(part.steps),
        saved.done,
        draft.planned,
        draft.rows,
        draft.definitions,
        control.machine.links.key,
        nested,
    )


# --- the stack as it is now ------------------------------------------------------------------


async def _now(
    control: Control, asker: Asker, saved: SavedPlan, part: Part, *, look: bool = False
) -> tuple[Draft, bool]:
    """The change planned again from what is there; and whether the stack is busy elsewhere.

    A plan made with a look at the cloud is compared with what was found there; `look` looks again.
    """
    database = control.database
    stack = await database.read(stack_rows.get, saved.stack_id)
    fresh = stack is None
    busy = False
    if stack is None:
        stack = await _unmade(control, saved)
    else:
        if stack.deleted_at is not None:
            raise NotFound(f"The Stack ({saved.stack_name}) could not be found.")
        if saved.plan.action is not Action.DELETE:
            refuse_update(stack)
        busy = await _refuse_busy(control, stack, saved, part)
    source = await _source(control, stack, saved, fresh=fresh)
    loaded: Loaded | None = None
    if source is not None:
        stack = _with_options(stack, saved)
        loaded = await load(control.machine, stack, source)
    found: list[Finding] = []
    if saved.options.get("converge"):
        if look and not busy:
            await observe_stack(control, stack)
        found = await database.read(unwanted_below, stack)
    rows = [] if fresh else await database.read(resource_rows.of_stack, stack.id)
    seen = await database.read(seen_rows, stack.id, rows, found)
    action = Action.UPDATE if saved.plan.action is Action.CREATE else saved.plan.action
    chosen = {(step.kind, step.resource) for step in _steps(saved, part.steps)}
    planned = await plan_in_full(
        control.machine,
        stack,
        Action.CREATE if fresh else action,
        loaded,
        seen,
        asker=asker,
        only=lambda step: (step.kind, step.resource) in chosen,
        within={name for _, name in chosen},
    )
    draft = Draft(
        action=saved.plan.action,
        stack=stack,
        fresh=fresh,
        source=source,
        loaded=loaded,
        rows=rows,
        planned=planned,
        drift=found,
    )
    return draft, busy


async def _unmade(control: Control, saved: SavedPlan) -> StackRecord:
    """The stack that a creation's plan was made for."""
    if saved.plan.action is not Action.CREATE or saved.done:
        raise NotFound(f"The Stack ({saved.stack_name}) could not be found.")
    control.cloud_named(str(saved.options["cloud"]))
    return StackRecord(
        id=saved.stack_id,
        name=saved.stack_name,
        project_id=saved.project_id,
        owner_id=saved.made_by.user_id,  # type: ignore[arg-type]
        owner_name=saved.made_by.user_name,
        action=Action.CREATE,
        status=Status.IN_PROGRESS,
        reason="Stack CREATE started",
        cloud=str(saved.options["cloud"]),
        source_id="",
        root_id=saved.stack_id,
        created_at=control.clock.now(),
    )


def _with_options(stack: StackRecord, saved: SavedPlan) -> StackRecord:
    options = saved.options
    return replace(
        stack,
        tags=tuple(options["tags"]),
        disable_rollback=bool(options["disable_rollback"]),
        timeout_minutes=options["timeout_minutes"],
        description=str(options["description"]),
    )


async def _refuse_busy(control: Control, stack: StackRecord, saved: SavedPlan, part: Part) -> bool:
    """Whether operations on other resources run; raises `Conflict` when one may touch the part.

    An operation whose plan binds does nothing but its steps. Any other may plan again.
    """
    live = await control.database.read(operation_rows.live_of_stack, stack.id)
    ours = set(resources_of(saved, part.steps))
    for operation in live:
        plan = await _plan_of(control, operation)
        theirs = {step.resource for step in plan.steps} if plan is not None else ours
        both = sorted(ours & theirs)
        if both or plan is None or not plan.binds:
            what = f" on {', '.join(both[:10])}" if both else ""
            raise Conflict(
                f"Operation {operation.id} ({operation.action.lower()}) of stack {stack.name!r} "
                f"is at work{what}; nothing was touched.",
                remedy="Wait for its end, then apply the plan again.",
            )
    return bool(live)


async def _plan_of(control: Control, operation: OperationRecord) -> Plan | None:
    if operation.plan_id is None:
        return None
    document = await control.database.read(operation_rows.plan_document, operation.plan_id)
    return plan_from_json(document) if document is not None else None


async def _source(
    control: Control, stack: StackRecord, saved: SavedPlan, *, fresh: bool
) -> TemplateSource | None:
    """What the plan leads to, on top of what is in force now."""
    if saved.source_id is None:
        return None
    read = control.database.read
    ours = await read(stack_rows.load_source, saved.source_id)
    if fresh or stack.source_id in {saved.source_id, saved.base_source_id}:
        return ours
    if saved.plan.action is Action.ROLLBACK:
        raise stale(saved, [f"{saved.stack_name}: its template has changed"])
    theirs = await read(stack_rows.load_source, stack.source_id)
    base = await read(stack_rows.find_source, saved.base_source_id or saved.source_id)
    if base is None:
        raise stale(saved, [f"{saved.stack_name}: the template it was made from is gone"])
    return rebased(base, theirs, ours)


# --- the transaction -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Store:
    """Writes plan and stack in the state they have from now on, or raises."""

    control: Control
    caller: Caller
    saved: SavedPlan
    running: SavedPlan
    draft: Draft
    plan: Plan
    operation: OperationRecord

    def __call__(self, connection: Connection) -> StackRecord:
        if not saved_rows.save(connection, self.running):
            raise Conflict(
                f"Plan {self.saved.id} is being applied by someone else in this moment.",
                remedy="Look at it: mantle plan show.",
                fault="PlanNotApplicable",
            )
        stack = self._created(connection) if self.draft.fresh else self._changed(connection)
        ours = {step.resource for step in self.plan.steps}
        drift = leading_to(connection, stack.id, self.draft.rows, self.draft.drift, ours)
        drift_rows.give_to(connection, [each.sequence for each in drift], self.operation.id)
        self._same_rows(connection)
        return stack

    def _created(self, connection: Connection) -> StackRecord:
        stack, options = self.draft.stack, self.saved.options
        refuse_taken(connection, stack)
        assert self.draft.source is not None
        source_id = stack_rows.add_source(connection, self.draft.source, stack.created_at)
        loaded, names = self.draft.loaded, self.control.settings.secret_parameters
        secret = loaded is None or holds_secrets(loaded, names)
        stored = replace(stack, source_id=source_id, confidential=secret)
        stack_rows.add(connection, stored)
        guard = fresh_guard(
            stored,
            self.caller,
            protected=bool(options.get("protected")),
            ttl_seconds=options.get("ttl_seconds"),
        )
        if guard is not None:
            guard_rows.save(connection, guard)
        return stored

    def _changed(self, connection: Connection) -> StackRecord:
        now = stack_rows.get(connection, self.saved.stack_id)
        if now is None or now.deleted_at is not None:
            raise NotFound(f"The Stack ({self.saved.stack_name}) could not be found.")
        if now.source_id != self.draft.stack.source_id:
            raise self._rival()
        action = self.plan.action
        changed = replace(
            now,
            action=action,
            status=Status.IN_PROGRESS,
            reason=f"Stack {action} started",
        )
        if action is Action.DELETE:
            refuse_protected(connection, now)
        else:
            refuse_update(now)
            changed = self._sourced(connection, changed, now)
        stack_rows.save(connection, changed)
        return changed

    def _sourced(
        self, connection: Connection, changed: StackRecord, now: StackRecord
    ) -> StackRecord:
        assert self.draft.source is not None
        source_id = stack_rows.add_source(connection, self.draft.source, self.operation.created_at)
        # A part of a plan has no way back of its own: it would undo, or do, what others planned.
        previous = now.previous_source_id if self.plan.action is Action.ROLLBACK else None
        if self.plan.whole and self.plan.action is Action.UPDATE:
            previous = now.source_id if now.status is Status.COMPLETE else now.previous_source_id
        return replace(
            _with_options(changed, self.saved),
            updated_at=self.operation.created_at,
            source_id=source_id,
            previous_source_id=previous,
        )

    def _same_rows(self, connection: Connection) -> None:
        """What was verified a moment ago must still be so."""
        seen: Mapping[ResourceId, ResourceRecord] = {row.id: row for row in self.draft.rows}
        for step in self.plan.steps:
            for row_id in touched_by(step):
                row = seen.get(row_id)
                now = resource_rows.get(connection, row_id) if row is not None else None
                if row is not None and (now is None or now.version != row.version):
                    raise self._rival(step.resource)

    def _rival(self, name: str = "") -> Conflict:
        which = name or f"stack {self.saved.stack_name!r}"
        return Conflict(
            f"{which} was changed by someone else in this moment; nothing was touched.",
            remedy="Apply the plan again.",
        )
