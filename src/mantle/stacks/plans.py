"""Plans as things of their own: made, stored and shown without being carried out."""

from mantle.access.caller import Caller
from mantle.model.errors import NotFound
from mantle.model.ids import PlanId, ProjectId
from mantle.model.plan import Plan
from mantle.model.records import StackRecord
from mantle.model.status import Action
from mantle.plan.render import plan_from_json, plan_json
from mantle.stacks.accept import asker_of, plan_for
from mantle.stacks.control import Control
from mantle.stacks.create import CreateRequest, preview_stack
from mantle.stacks.update import UpdateRequest, preview_update
from mantle.store import operations as operation_rows
from mantle.store import resources as resource_rows
from mantle.store.database import Connection


async def plan_create(control: Control, caller: Caller, request: CreateRequest) -> Plan:
    """What creating the stack would do."""
    preview = await preview_stack(control, caller, request)
    return await _stored(control, caller.project_id, preview.plan)


async def plan_update(
    control: Control, caller: Caller, stack: StackRecord, request: UpdateRequest
) -> Plan:
    """What updating the stack would do."""
    preview = await preview_update(control, caller, stack, request)
    return await _stored(control, stack.project_id, preview.plan)


async def plan_delete(control: Control, caller: Caller, stack: StackRecord) -> Plan:
    """What deleting the stack would do."""
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    plan = await plan_for(
        control, stack, Action.DELETE, None, rows, asker=asker_of(caller), only_shown=True
    )
    return await _stored(control, stack.project_id, plan)


async def find_plan(control: Control, project_id: ProjectId, plan_id: str) -> Plan:
    """A plan of the project."""
    document = await control.database.read(
        operation_rows.plan_document, PlanId(plan_id), project_id
    )
    if document is None:
        raise NotFound(f"The Plan ({plan_id}) could not be found.")
    return plan_from_json(document)


async def _stored(control: Control, project_id: ProjectId, plan: Plan) -> Plan:
    document = plan_json(plan)

    def store(connection: Connection) -> Plan:
        operation_rows.add_plan(
            connection,
            plan_id=plan.id,
            stack_id=plan.stack_id,
            project_id=project_id,
            document=document,
            created_at=plan.made_at,
            expires_at=plan.expires_at,
        )
        return plan

    return await control.database.write(store)
