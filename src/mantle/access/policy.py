"""Who may do what: one table from deed to the weakest role that may do it.

A role is always one in the token's own project; a path that names another project is refused
before this table is asked (`api/heat/door.py`). Roles include each other: admin, member, reader.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from mantle.access.caller import Caller, Scope
from mantle.model.errors import Forbidden
from mantle.model.identity import STACK_USER


class Need(StrEnum):
    """The weakest role that may do a deed."""

    READER = "reader"
    MEMBER = "member"
    ADMIN = "admin"


INCLUDES: Mapping[str, frozenset[Need]] = {
    "admin": frozenset(Need),
    "manager": frozenset({Need.READER, Need.MEMBER}),
    "member": frozenset({Need.READER, Need.MEMBER}),
    "_member_": frozenset({Need.READER, Need.MEMBER}),
    "heat_stack_owner": frozenset({Need.READER, Need.MEMBER}),
    "reader": frozenset({Need.READER}),
}
"""What each role may; any other role may nothing. `manager`, `_member_` and `heat_stack_owner` are
names an existing Keystone may still use for what is `member` here."""

POLICY: Mapping[str, Need] = {
    "build_info:show": Need.READER,
    "stacks:index": Need.READER,
    "stacks:index_all_projects": Need.ADMIN,
    "stacks:show": Need.READER,
    "stacks:lookup": Need.READER,
    "stacks:template": Need.READER,
    "stacks:environment": Need.READER,
    "stacks:files": Need.READER,
    "stacks:outputs": Need.READER,
    "stacks:export": Need.MEMBER,
    "stacks:abandon": Need.MEMBER,
    "snapshots:index": Need.MEMBER,
    "snapshots:create": Need.MEMBER,
    "snapshots:delete": Need.MEMBER,
    "snapshots:restore": Need.MEMBER,
    "stacks:create": Need.MEMBER,
    "stacks:preview": Need.MEMBER,
    "stacks:validate": Need.READER,
    "stacks:update": Need.MEMBER,
    "stacks:delete": Need.MEMBER,
    "stacks:action": Need.MEMBER,
    "stacks:guard": Need.MEMBER,
    "resources:index": Need.READER,
    "resources:show": Need.READER,
    "resources:metadata": Need.READER,
    "resources:signal": Need.MEMBER,
    "resources:mark_unhealthy": Need.MEMBER,
    "events:index": Need.READER,
    "events:show": Need.READER,
    "types:index": Need.READER,
    "types:show": Need.READER,
    "types:cloudwide": Need.ADMIN,
    "services:index": Need.ADMIN,
    "software_configs:index": Need.READER,
    "software_configs:show": Need.READER,
    "software_configs:create": Need.MEMBER,
    "software_configs:delete": Need.MEMBER,
    "software_deployments:index": Need.READER,
    "software_deployments:metadata": Need.READER,
    "software_deployments:show": Need.READER,
    "software_deployments:create": Need.MEMBER,
    "software_deployments:update": Need.MEMBER,
    "software_deployments:delete": Need.MEMBER,
    "plans:create": Need.MEMBER,
    "plans:show": Need.READER,
    "plans:index": Need.READER,
    "plans:apply": Need.MEMBER,
    "plans:delete": Need.MEMBER,
    "moves:create": Need.MEMBER,
    "moves:show": Need.READER,
    "moves:apply": Need.MEMBER,
    "moves:delete": Need.MEMBER,
    "policies:index": Need.READER,
    "policies:show": Need.READER,
    "policies:test": Need.MEMBER,
    "policies:set": Need.MEMBER,
    "policies:delete": Need.MEMBER,
    "policies:operator": Need.ADMIN,
    "drift:show": Need.READER,
    "drift:check": Need.MEMBER,
    "drift:set": Need.MEMBER,
    "operations:index": Need.READER,
    "operations:show": Need.READER,
    "operations:retry": Need.MEMBER,
    "operations:skip": Need.MEMBER,
    "operations:cancel": Need.MEMBER,
    "operations:take_over": Need.ADMIN,
    "operations:all_projects": Need.ADMIN,
    "clouds:index": Need.READER,
    "clouds:unmanaged": Need.READER,
    "clouds:generate": Need.MEMBER,
    "limits:index": Need.READER,
    "limits:set": Need.ADMIN,
    "admin:purge": Need.ADMIN,
    "reconcile:show": Need.ADMIN,
    "reconcile:apply": Need.ADMIN,
    "secrets:index": Need.MEMBER,
    "secrets:create": Need.MEMBER,
    "secrets:delete": Need.MEMBER,
    "servers:index": Need.READER,
    "sweeps:index": Need.READER,
    "sweeps:show": Need.READER,
    "sweeps:power": Need.MEMBER,
    "sweeps:resize": Need.MEMBER,
    "sweeps:migrate": Need.ADMIN,
    "sweeps:cancel": Need.MEMBER,
    "hosts:index": Need.ADMIN,
    "hosts:set": Need.ADMIN,
    "self:show": Need.READER,
}
"""Deed to need. A plan asks for as much as doing it would: it stores something and shows exact
values. An export holds the stack's whole state, so a reader may not take it along. Taking an
operation over is about engines, which are the operator's: in any project. Hosts, and on which of
them a server is, are the operator's too."""


STACK_USER_DEEDS = frozenset(
    {
        "stacks:lookup",
        "resources:show",
        "resources:metadata",
        "resources:signal",
        "software_deployments:metadata",
    }
)
"""What a resource's own user may do, and only to that resource (`stacks/users.py`)."""


SYSTEM_READS = frozenset(
    {
        "build_info:show",
        "stacks:index",
        "stacks:index_all_projects",
        "operations:all_projects",
        "services:index",
        "types:index",
        "types:show",
        "self:show",
    }
)
SYSTEM_DEEDS = SYSTEM_READS | {"operations:take_over", "limits:set", "admin:purge"}
"""What a token for the whole system may do: what is in no project. Its readers look; its admins do
the rest. Whoever works on a project's stacks logs in to the project."""


def allows(roles: Iterable[str], deed: str) -> bool:
    """Whether any of the roles may do it."""
    need = POLICY[deed]
    return any(
        need in INCLUDES.get(role.lower(), ()) or (role == STACK_USER and deed in STACK_USER_DEEDS)
        for role in roles
    )


def enforce(caller: Caller, deed: str) -> None:
    """Raise `Forbidden` unless the caller may do it."""
    if caller.scope is not Scope.PROJECT:
        _enforce_beyond(caller, deed)
        return
    if not allows(caller.roles, deed):
        raise Forbidden(
            "You are not authorized to complete this action.",
            remedy=f"It needs the role {POLICY[deed].value!r} in project {caller.project_name!r}.",
        )


def check_scope(caller: Caller) -> None:
    """Raise `Forbidden` for a token that is for nothing in which there are stacks."""
    match caller.scope:
        case Scope.DOMAIN:
            raise Forbidden(
                "The token is for a domain, and stacks belong to projects.",
                remedy="Log in to a project: project_name instead of domain_name.",
            )
        case Scope.SYSTEM:
            return
        case _ if not caller.project_id:
            raise Forbidden(
                "The token is not scoped to a project.", remedy="Log in with a project name."
            )


def _enforce_beyond(caller: Caller, deed: str) -> None:
    """Of a token that is for no project."""
    check_scope(caller)
    readers = deed in SYSTEM_READS and bool(caller.roles & {"reader", "member", "manager"})
    if "admin" in caller.roles and deed in SYSTEM_DEEDS:
        return
    if not readers:
        raise Forbidden(
            "You are not authorized to complete this action.",
            remedy="A token for the whole system lists stacks and operations of all projects and, "
            "of an admin, sets limits. For anything in a project log in to the project.",
        )
