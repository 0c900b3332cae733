"""Who is asking, after the token has been checked."""

from dataclasses import dataclass, field
from enum import StrEnum

from mantle.access.access_rules import AccessRule, allowed
from mantle.model.errors import Forbidden
from mantle.model.identity import DOMAIN_NAME, STACK_USER
from mantle.model.ids import ProjectId, UserId


class Scope(StrEnum):
    """What a token is for."""

    PROJECT = "project"
    DOMAIN = "domain"
    SYSTEM = "system"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Caller:
    """A known user in one project. An empty project id is an unscoped token."""

    user_id: UserId
    user_name: str
    project_id: ProjectId
    project_name: str
    roles: frozenset[str]
    request_id: str = ""
    user_domain: str = DOMAIN_NAME
    project_domain: str = DOMAIN_NAME
    token: str = field(default="", repr=False, compare=False)
    """Where another Keystone's: to make a trust with. It is never stored."""
    delegated: bool = False
    """The token was got with an application credential or a trust: it cannot delegate further."""
    rules: tuple[AccessRule, ...] | None = None
    """The calls that its application credential is restricted to; None is no restriction."""

    scope: Scope = Scope.PROJECT
    """What the token is for; only one for a project has stacks."""

    def check_call(self, method: str, path: str) -> None:
        """Raise `Forbidden` for a call that the token's access rules do not have."""
        if not allowed(self.rules, method, path):
            raise Forbidden(
                f"The access rules of the token's application credential do not have {method} "
                f"{path}.",
                remedy="Use a credential with a rule for it, of the service orchestration.",
            )

    @property
    def is_admin(self) -> bool:
        """Whether the caller may look beyond the project."""
        return "admin" in self.roles

    @property
    def is_stack_user(self) -> bool:
        """Whether it is a resource's own user, whose project holds nothing of its own."""
        return STACK_USER in self.roles


def stack_user(user_id: UserId, project_id: ProjectId) -> Caller:
    """A resource's own user, known by the resource's own key."""
    return Caller(
        user_id=user_id,
        user_name=user_id,
        project_id=project_id,
        project_name="",
        roles=frozenset({STACK_USER}),
    )
