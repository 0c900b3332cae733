"""What a resource's own user may reach: that resource, and what its access policies name.

The user stands for a row (`model/keys.py`), so that looking it up is looking at the row: when it is
gone, so is the user. Everything else is absent, as another project's things are.
"""

from mantle.access.caller import Caller
from mantle.engine.operation import ref_of
from mantle.model.errors import NotFound
from mantle.model.ids import ProjectId
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.status import Action
from mantle.stacks.control import Control
from mantle.stacks.queries import live_row
from mantle.stacks.resources import row_by_id
from mantle.store import resources as resource_rows
from mantle.store.stack_users import may_act

USER_TYPE = "AWS::IAM::User"
POLICY_TYPE = "OS::Heat::AccessPolicy"


async def stack_of_user(control: Control, caller: Caller, name_or_id: str) -> StackRecord:
    """The stack of the caller's row, if it is meant."""
    stack, _ = await _own(control, caller)
    if name_or_id not in {stack.name, stack.id}:
        raise NotFound(f"The Stack ({name_or_id}) could not be found.")
    return stack


async def reached(
    control: Control, caller: Caller, name: str, stack_id: str, resource: str
) -> StackRecord:
    """The stack of a path, when the caller may reach the resource in it."""
    stack, row = await _own(control, caller)
    if stack.id != stack_id:  # the name may have changed since the path was given out
        raise NotFound(f"The Stack ({name}/{stack_id}) could not be found.")
    if row.resolved_type == USER_TYPE:
        allowed = await _allowed(control, stack, row)
    else:
        # A row that was replaced speaks for itself only, not for what bears its name now.
        now = await live_row(control, stack, row.name)
        allowed = {row.name} if now.id == row.id else set()
    if resource not in allowed:
        raise NotFound(
            f"The Resource ({resource}) could not be found in Stack {stack.name}.",
            fault="ResourceNotFound",
        )
    return stack


async def signalled(
    control: Control, caller: Caller, name: str, stack_id: str, resource: str
) -> tuple[StackRecord, ResourceRecord]:
    """The row that the caller signals by a path: its own, also when it has been replaced.

    What is deployed for the end of a resource is answered while another bears its name already.
    """
    stack, row = await _own(control, caller)
    if row.resolved_type != USER_TYPE and (stack.id, row.name) == (stack_id, resource):
        return stack, row
    stack = await reached(control, caller, name, stack_id, resource)
    return stack, await live_row(control, stack, resource)


async def project_of_server(control: Control, caller: Caller, server_id: str) -> ProjectId:
    """The project of the caller's own server; only a server's own user reads its deployments."""
    stack, row = await _own(control, caller)
    if row.physical_id != server_id:
        raise NotFound(f"The Server ({server_id}) could not be found.", fault="NotFound")
    return stack.project_id


async def _own(control: Control, caller: Caller) -> tuple[StackRecord, ResourceRecord]:
    found = await row_by_id(control, control.machine.links.keys.resource_of_user(caller.user_id))
    if found is None:
        raise NotFound("The resource of this user is gone.", fault="ResourceNotFound")
    if not may_act(found[1]):
        # Where another Keystone gave the token, it may be older than the suspension.
        raise NotFound("The resource of this user is suspended.", fault="ResourceNotFound")
    return found


async def _allowed(control: Control, stack: StackRecord, user: ResourceRecord) -> set[str]:
    """The resources that the policies of an AWS::IAM::User name."""
    wanted = {str(policy) for policy in user.properties.get("Policies") or ()}
    rows = await control.database.read(resource_rows.of_stack, stack.id)
    policies = [
        row
        for row in rows
        if row.resolved_type == POLICY_TYPE
        and row.action is not Action.DELETE
        and control.registry.get(POLICY_TYPE).reference(ref_of(row, stack)) in wanted
    ]
    return {str(name) for row in policies for name in row.properties.get("AllowedResources") or ()}
