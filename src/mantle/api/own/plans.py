"""`/v2/plans`: see what would be done before anything is, keep it, and do precisely that."""

import re
from typing import Any, Literal

import msgspec
from litestar import Controller, delete, get, post
from litestar.params import FromPath, FromQuery, JSONBody

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.requests import planned_create, update_request, with_template
from mantle.api.own.shapes import (
    Operation,
    PlanAnswer,
    PlanBody,
    Stack,
    operation_shape,
    stack_shape,
    when,
)
from mantle.model.errors import MantleError, NotFound
from mantle.model.plan import Plan
from mantle.model.saved import Gate, SavedPlan, WaveSpec
from mantle.model.status import Action
from mantle.plan.render import plan_json, render
from mantle.plan.saved_text import render_saved
from mantle.stacks.applying import ApplyRequest, apply_plan, what_moved
from mantle.stacks.control import Control
from mantle.stacks.plans import find_plan, plan_create, plan_delete, plan_update
from mantle.stacks.queries import find_stack
from mantle.stacks.saving import SaveRequest, delete_saved, find_saved, list_saved, save_plan
from mantle.stacks.shedding import refuse_work_when_slow
from mantle.stacks.waves import continue_plan

_REQUEST_ID = re.compile(r"[A-Za-z0-9_.:-]{0,100}")


class WaveBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A wave: resources by name, a percent of all, or the next layer; and the gate behind it."""

    resources: list[str] = []
    percent: float | None = None
    layer: bool = False
    gate: Literal["none", "manual", "health"] = "none"


class SavedPlanBody(PlanBody, kw_only=True, forbid_unknown_fields=True):
    """What to plan. With `save` the plan is kept and binds: it can be applied as it is."""

    save: bool = False
    waves: list[WaveBody] = []
    include: list[str] = []
    exclude: list[str] = []
    lifetime_seconds: float | None = None


class ApplyBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What of the plan to do now; all that is pending unless it says less."""

    include: list[str] = []
    exclude: list[str] = []
    request_id: str = ""
    """The same id again is answered with the first answer's operation."""


class WaveItem(msgspec.Struct, kw_only=True):
    """One wave of a saved plan."""

    steps: list[str]
    gate: str


class QuotaItem(msgspec.Struct, kw_only=True):
    """What the plan needs of one collection; `left` is null when the cloud cannot say."""

    what: str
    needs: int
    frees: int
    left: int | None
    limit: int | None
    verdict: str


class SavedItem(msgspec.Struct, kw_only=True):
    """A saved plan without its steps."""

    id: str
    stack_id: str
    stack_name: str
    action: str
    status: str
    reason: str
    steps: int
    done: list[str]
    running: list[str]
    pending: list[str]
    waves: list[WaveItem]
    wave: int
    quota: list[QuotaItem]
    operation_id: str | None
    made_by: str
    made_at: str | None
    expires_at: str | None
    ended_at: str | None


class SavedPlanAnswer(PlanAnswer, kw_only=True):
    """A plan as data and as text; `saved` says how far one that binds is."""

    saved: SavedItem | None = None


class SavedPlansAnswer(msgspec.Struct, kw_only=True):
    """Saved plans of the project, newest first."""

    plans: list[SavedItem]


class DiffAnswer(msgspec.Struct, kw_only=True):
    """Whether the pending part still fits; if not, why, each reason with its resource."""

    applicable: bool
    moved: list[str]


class AppliedAnswer(msgspec.Struct, kw_only=True):
    """A part of a plan that is durable from now on, and being carried out."""

    saved: SavedItem
    stack: Stack
    operation: Operation
    plan: dict[str, Any]
    added: dict[str, str]
    """Resources that were brought along, with who needs them."""
    left_out: dict[str, str]
    """Resources that stay pending, with what they wait for."""


class SavedAnswer(msgspec.Struct, kw_only=True):
    """A saved plan."""

    saved: SavedItem


class PlansController(Controller):
    """Plans of the token's project."""

    path = "/plans"
    tags = ["plans"]

    @post("/", status_code=201, summary="Make a plan")
    async def create(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[SavedPlanBody]
    ) -> SavedPlanAnswer:
        """Changes nothing. With `save` the plan can be applied until it expires."""
        enforce(caller, "plans:create")
        data = await with_template(control, data)
        if data.save:
            refuse_work_when_slow(control)
            saved = await save_plan(control, caller, await _save_request(control, caller, data))
            return _saved_answer(control, saved)
        if data.action == "rollback" or data.waves or data.include or data.exclude:
            raise MantleError("Waves, parts and rollbacks need `save`: they are for applying.")
        return _answer(await _plan(control, caller, data))

    @get("/", summary="List saved plans")
    async def index(
        self, control: GivenControl, caller: GivenCaller, stack: FromQuery[str | None] = None
    ) -> SavedPlansAnswer:
        """Newest first; of one stack when it is named."""
        enforce(caller, "plans:index")
        stack_id = None
        if stack is not None:
            stack_id = (await find_stack(control, caller.project_id, stack, deleted=True)).id
        found = await list_saved(control, caller.project_id, stack_id)
        return SavedPlansAnswer(plans=[saved_shape(saved) for saved in found])

    @get("/{plan_id:str}", summary="Show a plan")
    async def show(
        self, control: GivenControl, caller: GivenCaller, plan_id: FromPath[str]
    ) -> SavedPlanAnswer:
        """As data and as text."""
        enforce(caller, "plans:show")
        try:
            saved = await find_saved(control, caller.project_id, plan_id)
        except NotFound:
            return _answer(await find_plan(control, caller.project_id, plan_id))
        return _saved_answer(control, saved)

    @get("/{plan_id:str}/diff", summary="Compare a saved plan with what is there now")
    async def diff(
        self, control: GivenControl, caller: GivenCaller, plan_id: FromPath[str]
    ) -> DiffAnswer:
        """Whether what is pending could be applied in this moment, and what has moved."""
        enforce(caller, "plans:show")
        problems = await what_moved(control, caller, plan_id)
        return DiffAnswer(applicable=not problems, moved=problems)

    @post("/{plan_id:str}/apply", status_code=202, summary="Apply a saved plan")
    async def apply(
        self,
        control: GivenControl,
        caller: GivenCaller,
        plan_id: FromPath[str],
        data: JSONBody[ApplyBody],
    ) -> AppliedAnswer:
        """Precisely what it says, or 409 with what has moved, and nothing touched."""
        enforce(caller, "plans:apply")
        if not _REQUEST_ID.fullmatch(data.request_id):
            raise MantleError(
                f"{data.request_id[:100]!r} is no request id.",
                remedy="Use at most 100 letters, digits and `_.:-`.",
            )
        request = ApplyRequest(
            include=tuple(data.include),
            exclude=tuple(data.exclude),
            request_id=data.request_id,
        )
        done = await apply_plan(control, caller, plan_id, request)
        plan = None
        if done.operation.plan_id is not None:
            plan = await find_plan(control, caller.project_id, done.operation.plan_id)
        return AppliedAnswer(
            saved=saved_shape(done.saved),
            stack=stack_shape(done.stack),
            operation=operation_shape(done.operation),
            plan=plan_json(plan) if plan is not None else {},
            added=dict(done.part.added),
            left_out=dict(done.part.left_out),
        )

    @post("/{plan_id:str}/continue", status_code=200, summary="Open the gate a plan waits at")
    async def go_on(
        self, control: GivenControl, caller: GivenCaller, plan_id: FromPath[str]
    ) -> SavedAnswer:
        """The next wave begins when the stack is free. A health gate can be passed by hand too."""
        enforce(caller, "plans:apply")
        return SavedAnswer(saved=saved_shape(await continue_plan(control, caller, plan_id)))

    @delete("/{plan_id:str}", status_code=204, summary="Delete a saved plan")
    async def remove(
        self, control: GivenControl, caller: GivenCaller, plan_id: FromPath[str]
    ) -> None:
        """What it has done stays done."""
        enforce(caller, "plans:delete")
        await delete_saved(control, caller, plan_id)


async def _save_request(control: Control, caller: Caller, body: SavedPlanBody) -> SaveRequest:
    rest: dict[str, Any] = {
        "waves": tuple(
            WaveSpec(
                resources=tuple(wave.resources),
                percent=wave.percent,
                layer=wave.layer,
                gate=Gate(wave.gate),
            )
            for wave in body.waves
        ),
        "include": tuple(body.include),
        "exclude": tuple(body.exclude),
        "lifetime_seconds": body.lifetime_seconds,
    }
    if body.action == "create":
        return SaveRequest(action=Action.CREATE, create=planned_create(body), **rest)
    stack = await _stack(control, caller, body)
    action = Action(body.action.upper())
    update = update_request(body) if body.action == "update" else None
    return SaveRequest(action=action, stack=stack, update=update, **rest)


async def _stack(control: Control, caller: Caller, body: PlanBody) -> Any:
    name = body.stack_id or body.stack_name
    if not name:
        raise MantleError(f"A plan to {body.action} needs a stack_name or stack_id.")
    return await find_stack(control, caller.project_id, name)


async def _plan(control: Control, caller: Caller, body: PlanBody) -> Plan:
    if body.action == "create":
        return await plan_create(control, caller, planned_create(body))
    stack = await _stack(control, caller, body)
    if body.action == "delete":
        return await plan_delete(control, caller, stack)
    return await plan_update(control, caller, stack, update_request(body))


def _answer(plan: Plan) -> SavedPlanAnswer:
    return SavedPlanAnswer(plan_id=plan.id, plan=plan_json(plan), rendered=render(plan))


def _saved_answer(control: Control, saved: SavedPlan) -> SavedPlanAnswer:
    return SavedPlanAnswer(
        plan_id=saved.id,
        plan=plan_json(saved.plan),
        rendered=render_saved(saved, control.clock.now()),
        saved=saved_shape(saved),
    )


def saved_shape(saved: SavedPlan) -> SavedItem:
    """A saved plan without its steps."""
    return SavedItem(
        id=saved.id,
        stack_id=saved.stack_id,
        stack_name=saved.stack_name,
        action=str(saved.plan.action).lower(),
        status=str(saved.status),
        reason=saved.reason,
        steps=len(saved.plan.steps),
        done=list(saved.done),
        running=list(saved.running),
        pending=list(saved.pending),
        waves=[WaveItem(steps=list(wave.steps), gate=str(wave.gate)) for wave in saved.waves],
        wave=saved.wave,
        quota=[QuotaItem(**one) for one in saved.notes.get("quota", [])],
        operation_id=saved.operation_id,
        made_by=saved.made_by.user_name,
        made_at=when(saved.made_at),
        expires_at=when(saved.expires_at),
        ended_at=when(saved.ended_at),
    )
