"""A step whose deed is a stack of its own: its operation is begun, or found begun, and waited for.

In rounds, for a group that is changed batch by batch: each round is an operation of the stack
inside, found again by its number after a crash.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import structs

from mantle.engine.deeds import ACTIONS, FORWARD, ROUND, Interrupted
from mantle.engine.delegates import Errand
from mantle.engine.operation import OUTPUT_ERRORS
from mantle.model.errors import MantleError
from mantle.model.ids import OperationId
from mantle.model.interventions import Look
from mantle.model.plan import StepKind
from mantle.model.records import OperationRecord
from mantle.model.status import OperationStatus
from mantle.resources.kit import Delegate, Done, Failed
from mantle.store import operations as operation_rows

if TYPE_CHECKING:
    from mantle.engine.resource import Drive
    from mantle.engine.walk import Walk


def _round(drive: "Drive", delegate: Delegate) -> Mapping[str, Any] | None:
    """Which round the delegate is, for a step that goes in rounds; None for all others.

    Note: killed between two rounds. The phase is called anew and may see what the last round
    left, and call for the next; but the round noted in the row has not been ended there. That
    round's operation is found by its number, and whether it was the last is what was noted
    when it was begun, not what the phase says now.
    """
    noted: Mapping[str, Any] | None = drive.row.data.get(ROUND)
    if noted is not None and noted["plan"] == drive.row.plan_id:
        if noted["begun"]:
            return noted
        return {**noted, "begun": True, "last": delegate.last}
    if delegate.last:
        return None
    return {"plan": drive.row.plan_id, "number": 0, "begun": True, "last": False}


async def delegated(
    drive: "Drive", delegate: Delegate
) -> tuple[Done | Failed, Mapping[str, Any] | None] | None:
    """The end of the step, or None when one round of it has ended and another follows."""
    walk = drive.walk
    machine = walk.machine
    wanted = drive.step.kind in FORWARD
    child = machine.delegates.child_id(drive.row)
    data = drive.row.data if delegate.data is None else {**drive.row.data, **delegate.data}
    in_round = _round(drive, delegate) if wanted else None
    if in_round is not None:
        data = {**data, ROUND: in_round}
    if wanted and (drive.row.physical_id != child or data != drive.row.data):
        drive.row = structs.replace(drive.row, physical_id=child, data=data)
        await walk.record(drive, [])
    try:
        operation_id = await machine.delegates.begin(
            Errand(
                parent=walk.stack,
                operation=walk.operation,
                step=drive.step,
                row=drive.row,
                action=ACTIONS[drive.step.kind],
                delegate=delegate if wanted else None,
                definition=drive.definition() if wanted else None,
                loaded=walk.loaded,
                round=in_round["number"] if in_round is not None else 0,
                part_of=walk.plan.part_of,
                corrects=walk.plan.corrects,
                secrets=tuple(drive.secrets()) if wanted else (),
            )
        )
    except MantleError as error:
        return Failed(reason=error.message, remedy=error.remedy), None
    if operation_id is None:
        return Done(), None
    walk.note(
        Look(
            operation_id=walk.operation.id,
            step=drive.step.key,
            calls=1,
            looked_at=walk.now(),
            inner=operation_id,
        )
    )
    walk.awaited.add(operation_id)
    ended = await _until_child_ends(walk, operation_id)
    walk.awaited.discard(operation_id)
    if ended.status is OperationStatus.CANCELLED and walk.lets_go:
        raise Interrupted
    if ended.status is not OperationStatus.COMPLETE:
        return Failed(reason=f"resources.{drive.row.name}: {ended.reason}"), None
    if drive.step.kind is StepKind.DELETE:
        return Done(), None
    if in_round is not None and not in_round["last"]:
        following = {**in_round, "number": in_round["number"] + 1, "begun": False}
        drive.row = structs.replace(drive.row, data={**drive.row.data, ROUND: following})
        await walk.record(drive, [])
        await walk.rest(delegate.rest_seconds, idle=True)
        if walk.lets_go:
            raise Interrupted
        return None
    family = await machine.delegates.family(child)
    if family is None:
        # Deleted meanwhile. By whoever took this operation over while this engine was frozen:
        # then the row is not written, and that is the end of it here. Or by hand.
        await walk.record(drive, [])
        return Failed(
            reason=f"resources.{drive.row.name}: its stack was deleted meanwhile.",
            remedy="Update the stack to have it made again.",
        ), None
    assert drive.type.family_attributes is not None, "a type that delegates says what it answers"
    attributes = drive.type.family_attributes(drive.context(family=family), family)
    data = {key: value for key, value in drive.row.data.items() if key != OUTPUT_ERRORS}
    if family.output_errors:
        data[OUTPUT_ERRORS] = dict(family.output_errors)
    return Done(physical_id=child, data=data), attributes


async def _until_child_ends(walk: "Walk", operation_id: OperationId) -> OperationRecord:
    machine = walk.machine
    passed_on = None
    while True:
        ticket = machine.nudges.ticket(operation_id)
        operation = await machine.database.read(operation_rows.get, operation_id)
        assert operation is not None, "a child's operation is stored before it is waited for"
        if operation.status.ended:
            return operation
        if walk.broken is not None:
            raise Interrupted
        if walk.cancel is not None and passed_on != walk.cancel:
            passed_on = walk.cancel
            await machine.database.write(
                operation_rows.ask_to_cancel, operation_id, walk.child_cancel()
            )
            machine.nudges.nudge(("cancel", operation_id))
        await machine.nudges.sleep(ticket, 1.0)
