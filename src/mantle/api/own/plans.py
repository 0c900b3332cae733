"""`/v2/plans`: see exactly what would be done, before anything is."""

from litestar import Controller, get, post
from litestar.params import FromPath, JSONBody

from mantle.access.caller import Caller
from mantle.access.policy import enforce
from mantle.api.own.given import GivenCaller, GivenControl
from mantle.api.own.requests import planned_create, update_request
from mantle.api.own.shapes import PlanAnswer, PlanBody
from mantle.model.errors import MantleError
from mantle.model.plan import Plan
from mantle.plan.render import plan_json, render
from mantle.stacks.control import Control
from mantle.stacks.plans import find_plan, plan_create, plan_delete, plan_update
from mantle.stacks.queries import find_stack


class PlansController(Controller):
    """Plans of the token's project."""

    path = "/plans"
    tags = ["plans"]

    @post("/", status_code=201, summary="Make a plan")
    async def create(
        self, control: GivenControl, caller: GivenCaller, data: JSONBody[PlanBody]
    ) -> PlanAnswer:
        """Changes nothing; the plan is stored and can be shown again until it expires."""
        enforce(caller, "plans:create")
        return _answer(await _plan(control, caller, data))

    @get("/{plan_id:str}", summary="Show a plan")
    async def show(
        self, control: GivenControl, caller: GivenCaller, plan_id: FromPath[str]
    ) -> PlanAnswer:
        """As data and as text."""
        enforce(caller, "plans:show")
        return _answer(await find_plan(control, caller.project_id, plan_id))


async def _plan(control: Control, caller: Caller, body: PlanBody) -> Plan:
    if body.action == "create":
        return await plan_create(control, caller, planned_create(body))
    name = body.stack_id or body.stack_name
    if not name:
        raise MantleError(f"A plan to {body.action} needs a stack_name or stack_id.")
    stack = await find_stack(control, caller.project_id, name)
    if body.action == "delete":
        return await plan_delete(control, caller, stack)
    return await plan_update(control, caller, stack, update_request(body))


def _answer(plan: Plan) -> PlanAnswer:
    return PlanAnswer(plan_id=plan.id, plan=plan_json(plan), rendered=render(plan))
