"""`/v2/operations/{id}/retry|skip|take-over|cancel`: freeing an operation that is stuck."""

import msgspec
from litestar import Controller, post
from litestar.params import FromPath, JSONBody

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.shapes import Operation, operation_shape, when
from mantle.model.interventions import Intervention, Verb
from mantle.stacks.control import Control
from mantle.stacks.interventions import Ask, intervene
from mantle.stacks.queries import find_operation


class RetryBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """`step` is a step's key (`create web`) or a resource's name; empty: the operation itself."""

    step: str = ""
    why: str = ""


class SkipBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The step to go on without, and why."""

    step: str
    why: str = ""


class StopBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A step to stop, or the operation.

    `go_on`: steps that do not need the one that is stopped are done all the same. Of the operation:
    `rollback` returns to what was before, `now` stops the steps under way as well.
    """

    step: str = ""
    why: str = ""
    go_on: bool = False
    rollback: bool = False
    now: bool = False


class InterventionItem(msgspec.Struct, kw_only=True):
    """What somebody asked of an operation or a step, and what came of it."""

    id: str
    verb: str
    step: str
    """Empty: of the operation."""
    why: str
    by: str
    asked_at: str | None
    before: str
    """The state it was asked in."""
    settled_at: str | None
    """Null: the engine has not come to it yet."""
    honoured: bool
    outcome: str
    resources: list[str]
    """Of a skip: what is left as it is."""


class InterventionAnswer(msgspec.Struct, kw_only=True):
    """What was asked, and the operation as it is now."""

    intervention: InterventionItem
    operation: Operation


class InterventionsController(Controller):
    """Verbs on operations of the token's project, and on their steps."""

    path = "/operations/{operation_id:str}"
    tags = ["operations"]

    @post("/retry", status_code=202, summary="Retry a step, or go on with a failed operation")
    async def retry(
        self,
        control: GivenControl,
        caller: GivenCaller,
        operation_id: FromPath[str],
        data: JSONBody[RetryBody],
    ) -> InterventionAnswer:
        """The step is begun again on its row and token; an operation from its failed steps."""
        enforce(caller, "operations:retry")
        ask = Ask(verb=Verb.RETRY, step=data.step, why=data.why)
        return await _done(control, caller, operation_id, ask)

    @post("/skip", status_code=202, summary="Go on without a step")
    async def skip(
        self,
        control: GivenControl,
        caller: GivenCaller,
        operation_id: FromPath[str],
        data: JSONBody[SkipBody],
    ) -> InterventionAnswer:
        """What it was to do is left undone; its resource says so."""
        enforce(caller, "operations:skip")
        ask = Ask(verb=Verb.SKIP, step=data.step, why=data.why)
        return await _done(control, caller, operation_id, ask)

    @post("/take-over", status_code=202, summary="Take an operation over")
    async def take_over(
        self,
        control: GivenControl,
        caller: GivenCaller,
        operation_id: FromPath[str],
        data: JSONBody[RetryBody],
    ) -> InterventionAnswer:
        """Whoever performs it is fenced off; it goes on from what is stored. In any project."""
        enforce(caller, "operations:take_over")
        ask = Ask(verb=Verb.TAKE_OVER, step=data.step, why=data.why)
        return await _done(control, caller, operation_id, ask, everywhere=True)

    @post("/cancel", status_code=202, summary="Cancel a step or an operation")
    async def cancel(
        self,
        control: GivenControl,
        caller: GivenCaller,
        operation_id: FromPath[str],
        data: JSONBody[StopBody],
    ) -> InterventionAnswer:
        """A step is stopped and fails; of an operation, nothing more is begun."""
        enforce(caller, "operations:cancel")
        ask = Ask(
            verb=Verb.CANCEL,
            step=data.step,
            why=data.why,
            carry_on=data.go_on,
            rollback=data.rollback,
            now=data.now,
        )
        return await _done(control, caller, operation_id, ask)


async def _done(
    control: Control, caller: Caller, operation_id: str, ask: Ask, *, everywhere: bool = False
) -> InterventionAnswer:
    project_id = None if everywhere else caller.project_id
    operation = await find_operation(control, project_id, operation_id)
    intervention = await intervene(control, caller, operation, ask)
    after = await find_operation(control, project_id, operation_id)
    return InterventionAnswer(
        intervention=intervention_shape(intervention), operation=operation_shape(after)
    )


def intervention_shape(each: Intervention) -> InterventionItem:
    """As the API tells it."""
    return InterventionItem(
        id=each.id,
        verb=each.verb.value,
        step=each.step,
        why=each.why,
        by=each.user_name,
        asked_at=when(each.asked_at),
        before=each.before,
        settled_at=when(each.settled_at),
        honoured=each.honoured,
        outcome=each.outcome,
        resources=list(each.resources),
    )
