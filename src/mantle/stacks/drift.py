"""Drift: live state read in bulk, compared with what operations left, and handled by policy.

One list call for each type of object and project, whatever the number of resources. What is found
is stored with when it was first and last seen; a policy per stack or resource decides whether it is
told, ignored, or corrected by an ordinary update.
"""

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import structlog

from mantle.access.caller import Caller
from mantle.clouds.ports import CloudError, CloudObject, Session
from mantle.model.drift import GONE, Difference, DriftPolicy, Finding, Look
from mantle.model.errors import Conflict, MantleError
from mantle.model.ids import ProjectId, StackId
from mantle.model.records import OperationRecord, ResourceRecord, StackRecord
from mantle.model.status import Action, Status
from mantle.plan.drift import differences, is_settled, told
from mantle.plan.masking import Mask, mask_of
from mantle.resources.cloud_object import shown
from mantle.stacks.accept import asker_of, plan_for
from mantle.stacks.control import Control
from mantle.stacks.queries import live_row, load_stack
from mantle.stacks.update import UpdateRequest, update_stack, wanted_update
from mantle.stacks.upkeep import upkeeper
from mantle.store import drift as drift_rows
from mantle.store import events as event_rows
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection

log = structlog.get_logger()

OWN = {"id", "token", "status", "fault", "created_at"}
"""What every object has, whatever it was asked for."""

CORRECTIONS = 3
"""Updates to correct one stack within an hour; then drift is only told: nobody is fought."""
HOUR_SECONDS = 3600.0


async def look(control: Control, project_id: ProjectId, cloud: str) -> Look:
    """Read what is there, store what differs, handle it. Safe to repeat, and to kill."""
    now = control.clock.now()
    rows = await control.database.read(_settled_rows, project_id, cloud)
    live, calls = await _live(control, control.clouds[cloud].session(project_id), rows)
    found = []
    for row in rows:
        objects = live.get(row.resolved_type)
        if objects is not None:
            seen, fields = objects.get(row.physical_id or "", (None, ()))
            found += differences(row, seen, fields)
    seen_look = Look(looked_at=now, calls=calls, objects=sum(map(len, live.values())))
    looked_at = [row for row in rows if row.resolved_type in live]
    found = await _masked(control, found)
    drifted = await control.database.write(
        _store, control, project_id, cloud, seen_look, looked_at, found
    )
    for stack_id in drifted:
        await _correct(control, stack_id)
    return seen_look


async def _masked(control: Control, found: Sequence[Difference]) -> list[Difference]:
    """With the values of hidden parameters hidden, wherever they stand."""
    masks: dict[StackId, Mask] = {}
    for stack_id in {each.stack_id for each in found}:
        stack = await control.database.read(stack_rows.get, stack_id)
        try:
            loaded = await load_stack(control, stack) if stack is not None else None
        except MantleError:
            loaded = None
        masks[stack_id] = mask_of(loaded.graph.secret_values if loaded is not None else ())
    return [
        replace(
            each,
            expected=masks[each.stack_id].value(each.expected),
            actual=masks[each.stack_id].value(each.actual),
        )
        for each in found
    ]


Seen = Mapping[str, tuple[Mapping[str, Any], Iterable[str]]]


async def _live(
    control: Control, session: Session, rows: Sequence[ResourceRecord]
) -> tuple[dict[str, Seen], int]:
    """For each type: objects by id as `show` shows them, and the fields that were asked for."""
    by_type: dict[str, Seen] = {}
    calls = 0
    for name in sorted({row.resolved_type for row in rows}):
        kind = control.registry.types.get(name)
        if kind is None or kind.live is None:
            continue
        try:
            objects = await kind.live(session).list()
        except CloudError as error:
            log.warning("drift was not looked for", type=name, reason=str(error))
            continue
        calls += 1
        by_type[name] = {
            # Through JSON, as what was stored went: a tuple is a list there.
            each.id: (
                msgspec.json.decode(msgspec.json.encode(shown(each))),
                _asked_for(each),
            )
            for each in objects
        }
        await asyncio.sleep(0)
    return by_type, calls


def _asked_for(found: CloudObject) -> Collection[str]:
    """The fields that a request set; an object without a spec is all request."""
    fields: dict[str, Any] = msgspec.to_builtins(found)
    asked: Collection[str] = fields.get("spec") or fields.keys() - OWN
    return asked


def _settled_rows(
    connection: Connection, project_id: ProjectId, cloud: str
) -> list[ResourceRecord]:
    ids = drift_rows.live_stacks(connection, project_id, cloud)
    idle = [each for each in ids if not operation_rows.live_of_stack(connection, each)]
    return [row for row in resource_rows.of_stacks(connection, idle) if is_settled(row)]


def _store(
    connection: Connection,
    control: Control,
    project_id: ProjectId,
    cloud: str,
    seen: Look,
    rows: Sequence[ResourceRecord],
    found: Sequence[Difference],
) -> list[StackId]:
    """Write what was found; the answer is the stacks that are to be corrected."""
    ids = sorted({row.stack_id for row in rows})
    now = {row.id: row.version for row in resource_rows.of_stacks(connection, ids)}
    # What an operation changed meanwhile was compared with the wrong thing.
    steady = {row.id for row in rows if now.get(row.id) == row.version}
    chosen = drift_rows.policies(connection, ids)
    known = {
        (each.difference.resource_id, each.difference.path): each
        for each in drift_rows.open_findings(connection, ids)
    }
    to_correct: list[StackId] = []
    events = []
    by_id = {row.id: row for row in rows}
    for difference in found:
        policy = policy_of(chosen, difference.stack_id, difference.resource)
        if difference.resource_id not in steady:
            continue
        finding = known.pop((difference.resource_id, difference.path), None)
        if policy is DriftPolicy.IGNORE:
            if finding is not None:
                drift_rows.end(connection, [finding.sequence], "ignored", seen.looked_at)
            continue
        if finding is None:
            drift_rows.begin(connection, difference, seen.looked_at)
            row = replace(by_id[difference.resource_id], reason=told(difference))
            events.append(control.machine.resource_event(row))
        else:
            drift_rows.see(connection, finding, difference.actual, seen.looked_at)
        if policy is DriftPolicy.CORRECT and difference.stack_id not in to_correct:
            to_correct.append(difference.stack_id)
    over = [each.sequence for each in known.values() if each.difference.resource_id in steady]
    drift_rows.end(connection, over, "gone", seen.looked_at)
    left = [each.sequence for each in known.values() if each.difference.resource_id not in now]
    drift_rows.end(connection, left, "updated", seen.looked_at)
    event_rows.add(connection, events)
    drift_rows.note_look(connection, project_id, cloud, seen)
    return to_correct


def policy_of(
    chosen: Mapping[tuple[str, str], str], stack_id: StackId, resource: str
) -> DriftPolicy:
    """The resource's own, else the stack's, else alert."""
    said = chosen.get((stack_id, resource)) or chosen.get((stack_id, ""))
    return DriftPolicy(said) if said else DriftPolicy.ALERT


# --- correcting ------------------------------------------------------------------------------


async def _correct(control: Control, stack_id: StackId) -> None:
    """By the policy: an update of the root stack, unless that was tried too often."""
    stack = await control.database.read(stack_rows.get, stack_id)
    if stack is None or stack.deleted_at is not None:
        return
    past = await control.database.read(drift_rows.history, stack_id)
    hour_ago = control.clock.now() - HOUR_SECONDS
    tried = {each.ended_at for each in past if each.ending == "corrected"}
    if len([at for at in tried if at is not None and at > hour_ago]) >= CORRECTIONS:
        log.warning("drift comes back: it is only told for an hour", stack=stack.name)
        return
    try:
        await correct_drift(control, upkeeper(stack), stack, only={DriftPolicy.CORRECT})
    except MantleError as error:
        log.warning("drift was not corrected", stack=stack.name, reason=str(error))


async def correct_drift(
    control: Control,
    caller: Caller,
    stack: StackRecord,
    *,
    only: Collection[DriftPolicy] = (DriftPolicy.ALERT, DriftPolicy.CORRECT),
) -> OperationRecord | None:
    """Bring back what was left: an update of the same template. None when nothing drifts.

    A resource whose object is gone or broken is replaced, any other is updated in place; `only`
    those with these policies. Marking them and accepting the update are one transaction: a refusal
    or a crash leaves the findings as they were.
    """
    now = control.clock.now()

    def wanted(connection: Connection) -> list[Finding]:
        chosen = drift_rows.policies(connection, [stack.id])
        return [
            each
            for each in drift_rows.open_findings(connection, [stack.id])
            if policy_of(chosen, stack.id, each.difference.resource) in only
        ]

    def mark(connection: Connection) -> None:
        if operation_rows.live_of_stack(connection, stack.id):
            raise Conflict(
                f"Stack {stack.name} has an operation under way.", remedy="Wait for its end."
            )
        findings = wanted(connection)
        for each in findings:
            row = resource_rows.get(connection, each.difference.resource_id)
            if row is not None and is_settled(row):
                resource_rows.save(connection, [_marked(row, each.difference)])
        if findings:
            _mark_above(connection, stack)
        drift_rows.end(connection, [each.sequence for each in findings], "corrected", now)

    if not await control.database.read(wanted):
        return None
    root = await control.database.read(stack_rows.get, stack.root_id) or stack
    again = UpdateRequest(existing=True)
    await _refuse_early(control, caller, root, again, await control.database.read(wanted))
    return await update_stack(control, caller, root, again, prepare=mark)


async def _refuse_early(
    control: Control,
    caller: Caller,
    root: StackRecord,
    request: UpdateRequest,
    findings: Sequence[Finding],
) -> None:
    """What rules or protection forbid is refused before anything is marked."""
    by_id = {each.difference.resource_id: each.difference for each in findings}
    rows = [
        _marked(row, by_id[row.id]) if row.id in by_id and is_settled(row) else row
        for row in await control.database.read(resource_rows.of_stack, root.id)
    ]
    _, _, loaded = await wanted_update(control, root, request)
    await plan_for(control, root, Action.UPDATE, loaded, rows, asker=asker_of(caller))


def _mark_above(connection: Connection, stack: StackRecord) -> None:
    """An update of the root reaches an inner stack only through rows that want one."""
    here = stack
    while here.parent_id is not None:
        for row in resource_rows.of_stack(connection, here.parent_id):
            if row.physical_id == here.id and row.status is Status.COMPLETE:
                reason = f"Drift inside {row.name}"
                marked = replace(row, action=Action.UPDATE, status=Status.FAILED, reason=reason)
                resource_rows.save(connection, [marked])
        above = stack_rows.get(connection, here.parent_id)
        if above is None:
            return
        here = above


def _marked(row: ResourceRecord, difference: Difference) -> ResourceRecord:
    lost = difference.path == GONE or (difference.path == "status" and difference.actual == "ERROR")
    action = Action.CHECK if lost else Action.UPDATE
    return replace(row, action=action, status=Status.FAILED, reason=told(difference))


# --- looking and choosing --------------------------------------------------------------------


async def list_drift(
    control: Control, stack: StackRecord, *, ended: bool = False
) -> tuple[list[Finding], Look | None]:
    """What differs now, or the whole history; and when it was last looked."""
    if ended:
        findings = await control.database.read(drift_rows.history, stack.id)
    else:
        findings = await control.database.read(drift_rows.open_findings, [stack.id])
    seen = await control.database.read(drift_rows.last_look, stack.project_id, stack.cloud)
    return findings, seen


async def set_drift_policy(
    control: Control, stack: StackRecord, policy: DriftPolicy, resource: str = ""
) -> None:
    """Of the stack, or of one resource of it."""
    if resource:
        await live_row(control, stack, resource)
    await control.database.write(drift_rows.set_policy, stack.id, resource, policy)


class Observer:
    """The loop that looks. Opened and closed with the engine; of several engines, one looks."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin."""
        if self.control.settings.drift_seconds > 0:
            self._task = asyncio.create_task(self._run(), name="drift")

    async def close(self) -> None:
        """Stop where it stands."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.control.settings.drift_seconds / 4)
            try:
                await self.turn()
            except MantleError as error:
                log.warning("looking for drift was refused", reason=str(error))
            except Exception:
                log.exception("looking for drift failed by a defect of Mantle")

    async def turn(self) -> None:
        """Look wherever it is due."""
        control = self.control
        for project_id, cloud in await control.database.read(drift_rows.places):
            if cloud not in control.clouds:
                continue
            interval = control.settings.drift_seconds
            now = control.clock.now()
            if await control.database.write(drift_rows.claim, project_id, cloud, now, interval):
                await look(control, project_id, cloud)
