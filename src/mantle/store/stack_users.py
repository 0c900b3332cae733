"""Users and projects of the stack domain, read from the rows they stand for.

Nothing of them is stored (`model/keys.py`): a user is there as long as its resource is, a project
as long as its root stack. A suspended resource's user may not log in, but for a deployment, which
signals also when it suspends or ends.
"""

import hashlib

from sqlalchemy import Connection

from mantle.model.identity import DERIVED, STACK_USER, Grant, Project, User
from mantle.model.ids import ProjectId, ResourceId, UserId
from mantle.model.keys import StackKeys
from mantle.model.records import ResourceRecord, StackRecord
from mantle.model.software import DEPLOYMENT
from mantle.model.status import Action
from mantle.store import resources as resource_rows
from mantle.store import stacks as stack_rows

IAM_USER, IAM_KEY = "AWS::IAM::User", "AWS::IAM::AccessKey"


def get_user(connection: Connection, keys: StackKeys, user_id: str) -> User | None:
    """The user of a row that is there."""
    found = _row(connection, keys.resource_of_user(user_id))
    if found is None:
        return None
    stack, row = found
    return User(
        id=UserId(user_id),
        name=str(row.data.get("name") or f"{stack.name}-{row.name}-{row.id[:12]}"),
        password_hash=DERIVED + hashlib.sha256(password_of(keys, row).encode()).hexdigest(),
        enabled=may_act(row),
        default_project_id=keys.project_id(stack.root_id),
        description=f"Resource {row.name} of stack {stack.name}",
    )


def get_project(connection: Connection, keys: StackKeys, project_id: str) -> Project | None:
    """The user project of a root stack that is there."""
    root_id = keys.root_of_project(project_id)
    stack = stack_rows.get(connection, root_id) if root_id else None
    if stack is None or stack.deleted_at is not None:
        return None
    return Project(
        id=ProjectId(project_id), name=f"{stack.id}-users", description=f"Users of {stack.name}"
    )


def grants_of(connection: Connection, keys: StackKeys, user_id: str) -> list[Grant]:
    """One role, in the user project of the row's root stack."""
    found = _row(connection, keys.resource_of_user(user_id))
    if found is None:
        return []
    project_id = keys.project_id(found[0].root_id)
    return [Grant(user_id=UserId(user_id), project_id=project_id, role=STACK_USER)]


def owner_of_key(
    connection: Connection, keys: StackKeys, access: str
) -> tuple[UserId, ProjectId] | None:
    """Whose EC2 key this is: a resource's own, or that of an AWS::IAM::User."""
    found = _row(connection, keys.resource_of_access(access))
    if found is None:
        return None
    stack, row = found
    owner: ResourceRecord | None = row
    if row.resolved_type == IAM_KEY:
        owner = _iam_user(connection, row)
    if owner is None:
        return None
    return keys.user_id(owner.id), keys.project_id(stack.root_id)


def owner_of_row_key(
    connection: Connection, keys: StackKeys, access: str
) -> tuple[UserId, ProjectId] | None:
    """Whose key this is, when it is a row's own: not that of an AWS::IAM::AccessKey."""
    found = _row(connection, keys.resource_of_access(access))
    if found is None or found[1].resolved_type == IAM_KEY or not may_act(found[1]):
        return None
    stack, row = found
    return keys.user_id(row.id), keys.project_id(stack.root_id)


def _iam_user(connection: Connection, key: ResourceRecord) -> ResourceRecord | None:
    """The user that an active key names."""
    if key.properties.get("Status") == "Inactive" or not may_act(key):
        return None
    return user_of_key(connection, key)


def user_of_key(connection: Connection, key: ResourceRecord) -> ResourceRecord | None:
    """The AWS::IAM::User that a key names, in its stack."""
    return next(
        (
            row
            for row in resource_rows.of_stack(connection, key.stack_id)
            if row.resolved_type == IAM_USER and row.data.get("name") == key.properties["UserName"]
        ),
        None,
    )


def _row(
    connection: Connection, resource_id: ResourceId | None
) -> tuple[StackRecord, ResourceRecord] | None:
    row = resource_rows.get(connection, resource_id) if resource_id else None
    stack = stack_rows.get(connection, row.stack_id) if row else None
    if row is None or stack is None or stack.deleted_at is not None:
        return None
    if row.action is Action.INIT or row.state == "DELETE_COMPLETE":
        return None
    return stack, row


def may_act(row: ResourceRecord) -> bool:
    """A suspended resource's user does nothing; a deployment answers also then."""
    return DEPLOYMENT in row.data or row.action not in {Action.SUSPEND, Action.DELETE}


def password_of(keys: StackKeys, row: ResourceRecord) -> str:
    """The one a template gives an AWS::IAM::User, else the derived one."""
    profile = row.properties.get("LoginProfile") if row.resolved_type == IAM_USER else None
    return str((profile or {}).get("Password") or keys.password(row.id))
