"""Corrects drift: an update of what drifts, and of what needs what has to be made anew.

The plan is made from rows that carry the findings, and is confined to the resources it names: what
else the template would change stays as it is. The findings know the operation, and end when it has
come to a good end. A refusal, a failure or a crash leaves them as they were: the drift is still
told.

Note: stacks inside. A correction begins at the root stack, as every operation does. Its plan
updates the resources that lead to the drift; each of these plans its own stack from the findings
there.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from mantle.access.caller import Caller
from mantle.engine.drifting import inside_of, leading_to, seen_rows
from mantle.engine.operation import plan_in_full
from mantle.model.drift import DriftPolicy, Finding
from mantle.model.errors import Conflict, NotFound
from mantle.model.plan import Plan
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.plan.drift import reach
from mantle.stacks.accept import Acceptance, accept, asker_of, new_operation
from mantle.stacks.control import Control
from mantle.stacks.drift_policies import read_policies
from mantle.stacks.queries import load_stack
from mantle.stacks.unmoved import refuse_moved
from mantle.stacks.update import refuse_update
from mantle.store import drift as drift_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection
from mantle.template.loaded import Loaded

WANTED = (DriftPolicy.ALERT, DriftPolicy.ACCEPT, DriftPolicy.CORRECT)
"""What is corrected when somebody asks for it: all but what is ignored."""

NOT_OURS = "its object was adopted by external_id, or its resource is no longer in the template"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A correction as it is about to be accepted."""

    root: StackRecord
    findings: Sequence[Finding]
    rows: Sequence[ResourceRecord]
    """As they are."""
    seen: Sequence[ResourceRecord]
    """As the planner has to see them."""
    names: frozenset[str]
    """Resources of the root that drift, or lead to what does."""
    lost: frozenset[str]
    """Those of them that are to be made anew, or hold something that is."""
    confined: bool


async def correct_drift(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    *,
    only: Collection[DriftPolicy] = WANTED,
    resource: str = "",
    unasked: bool = False,
) -> OperationRecord | None:
    """Bring back what was left in a stack and those inside it. None when there is nothing to.

    Only what has one of these policies, or only the named resource of the stack. A resource whose
    object is gone or broken is made anew, with what needs it; any other is updated in place.
    Raises `Conflict` while an operation is under way, and whatever an update may be refused for.
    `unasked`: nobody asked, so that a stack whose last operation failed is left to somebody.
    """
    case = await control.database.read(_case, stack, only, resource)
    if case is None:
        return None
    refuse_update(case.root)
    if unasked and not case.confined:
        raise Conflict(
            f"Stack {case.root.name!r} is {case.root.state}: somebody has to look at that first.",
            remedy=f"Update it, or: mantle drift correct {case.root.name}.",
        )
    loaded = await load_stack(control, case.root)
    operation = new_operation(control, caller, case.root, Action.UPDATE)
    plan = await _planned(control, caller, case, loaded)
    if plan.is_empty:
        await control.database.write(_note_all, case.findings, NOT_OURS)
        return None
    plan = replace(plan, corrects=operation.id)

    def store(connection: Connection) -> StackRecord:
        now = stack_rows.get(connection, case.root.id)
        if now is None or now.deleted_at is not None:
            raise NotFound(f"The Stack ({case.root.name}) could not be found.")
        refuse_update(now)
        _refuse_busy(connection, now, stack)
        refuse_moved(connection, now, case.root, case.rows)
        stored = replace(
            now,
            action=Action.UPDATE,
            status=Status.IN_PROGRESS,
            reason="Stack UPDATE started: drift is corrected",
            updated_at=operation.created_at,
        )
        stack_rows.save(connection, stored)
        sequences = [each.sequence for each in case.findings]
        drift_rows.give_to(connection, sequences, operation.id)
        if case.confined:
            begun_at = operation.created_at
            drift_rows.begin_correction(connection, operation.id, case.root.id, begun_at)
        return stored

    acceptance = Acceptance(
        operation=operation, store=store, loaded=loaded, plan=plan, rows=case.rows
    )
    _, operation = await accept(control, acceptance)
    return operation


def _case(
    connection: Connection, stack: StackRecord, only: Collection[DriftPolicy], resource: str
) -> _Case | None:
    ids = [each.id for each in stack_rows.below(connection, stack)]
    policies = read_policies(connection, ids)
    findings = [
        each
        for each in drift_rows.open_findings(connection, ids)
        if policies.of(each.difference.stack_id, each.difference.resource) in only
    ]
    if resource:
        here = resource_rows.of_stack(connection, stack.id)
        findings = leading_to(connection, stack.id, here, findings, {resource})
    root = stack_rows.get(connection, stack.root_id) or stack
    if not findings:
        return None
    rows = resource_rows.of_stack(connection, root.id)
    inside = inside_of(connection, root.id, findings)
    names, lost = set(), set()
    for each in findings:
        if each.difference.stack_id == root.id:
            names.add(each.difference.resource)
            if each.difference.is_loss:
                lost.add(each.difference.resource)
    for row in rows:
        below = inside.get(row.physical_id or "", ())  # type: ignore[call-overload]
        if below:
            names.add(row.name)
            if any(each.is_loss for each in below):
                lost.add(row.name)
    return _Case(
        root=root,
        findings=findings,
        rows=rows,
        seen=seen_rows(connection, root.id, rows, findings),
        names=frozenset(names),
        lost=frozenset(lost),
        confined=_is_at_rest(connection, root),
    )


def _is_at_rest(connection: Connection, root: StackRecord) -> bool:
    """Whether the stack is as its template says but for the drift.

    So it was before a correction that failed, too. After any other failure the whole stack is
    brought to its template: a success could not be told from one of a part.
    """
    if root.status is Status.COMPLETE:
        return True
    last = operation_rows.listing(connection, stack_id=root.id)[:1]
    return bool(last) and drift_rows.is_correction(connection, last[0].id)


async def _planned(control: Control, caller: Caller, case: _Case, loaded: Loaded) -> Plan:
    within = None
    if case.confined:
        needs = {name: each.references for name, each in loaded.graph.resources.items()}
        within = reach(case.names, case.lost, needs)
    planned = await plan_in_full(
        control.machine,
        case.root,
        Action.UPDATE,
        loaded,
        case.seen,
        asker=asker_of(caller),
        within=within,
    )
    if within is None:
        return planned.plan
    return replace(planned.plan, within=tuple(sorted(within)), whole=False)


def _refuse_busy(connection: Connection, root: StackRecord, stack: StackRecord) -> None:
    for each in (root, stack):
        if operation_rows.live_of_stack(connection, each.id):
            raise Conflict(
                f"Stack {each.name} has an operation under way.", remedy="Wait for its end."
            )


def _note_all(connection: Connection, findings: Sequence[Finding], text: str) -> None:
    for each in findings:
        drift_rows.note(connection, each.sequence, f"not corrected: {text}")
