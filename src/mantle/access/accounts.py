"""Looking after accounts: users, projects, grants and application credentials.

Each verb takes the identity service and does one thing; who may do it is checked by the API.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mantle.access.identity import EmbeddedIdentity, Session
from mantle.access.passwords import MAX_LENGTH
from mantle.model.errors import Conflict, Forbidden, MantleError, NotFound
from mantle.model.identity import ROLES, Credential, Grant, Project, User
from mantle.model.ids import UserId

NAME_LENGTH = 255
"""Characters, as in Keystone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialRequest:
    """An application credential as it is asked for; no secret means: make one."""

    name: str
    secret: str | None = field(default=None, repr=False)
    description: str = ""
    roles: tuple[str, ...] = ()
    """Empty: all the roles of the token that asks."""
    expires_at: float | None = None
    unrestricted: bool = False


async def get_user(identity: EmbeddedIdentity, user_id: str) -> User:
    """By id; raises `NotFound`."""
    user = await identity.store.get_user(user_id)
    if user is None:
        raise NotFound(f"Could not find user: {user_id}.")
    return user


async def get_project(identity: EmbeddedIdentity, project_id: str) -> Project:
    """By id; raises `NotFound`."""
    project = await identity.store.get_project(project_id)
    if project is None:
        raise NotFound(f"Could not find project: {project_id}.")
    return project


async def create_user(
    identity: EmbeddedIdentity, user_id: UserId, user: User, password: str
) -> User:
    """Make a user; the record's own id and hash are replaced."""
    _check_name("user", user.name)
    _check_password(password)
    if await identity.store.find_user(user.name) is not None:
        raise Conflict(f"A user named {user.name!r} exists already.", remedy="Choose another name.")
    made = replace(user, id=user_id, password_hash=await identity.passwords.hash(password))
    await identity.store.save_user(made)
    return made


async def update_user(identity: EmbeddedIdentity, user: User, password: str | None) -> User:
    """Store a changed user. A new password, or being disabled, ends every session of the user."""
    _check_name("user", user.name)
    same = await identity.store.find_user(user.name)
    if same is not None and same.id != user.id:
        raise Conflict(f"A user named {user.name!r} exists already.", remedy="Choose another name.")
    if password is not None:
        _check_password(password)
        user = replace(user, password_hash=await identity.passwords.hash(password))
    await identity.store.save_user(user)
    if password is not None or not user.enabled:
        await identity.store.delete_tokens_of(user.id)
    return user


async def change_password(
    identity: EmbeddedIdentity, user: User, original: str, password: str
) -> None:
    """A user's own change; the old password must be right."""
    if not await identity.passwords.verify(user.password_hash, original):
        raise Forbidden("The original password is not right.")
    await update_user(identity, user, password)


async def create_project(identity: EmbeddedIdentity, project: Project) -> Project:
    """Make a project."""
    _check_name("project", project.name)
    if await identity.store.find_project(project.name) is not None:
        raise Conflict(
            f"A project named {project.name!r} exists already.", remedy="Choose another name."
        )
    await identity.store.save_project(project)
    return project


async def update_project(identity: EmbeddedIdentity, project: Project) -> Project:
    """Store a changed project."""
    _check_name("project", project.name)
    same = await identity.store.find_project(project.name)
    if same is not None and same.id != project.id:
        raise Conflict(
            f"A project named {project.name!r} exists already.", remedy="Choose another name."
        )
    await identity.store.save_project(project)
    return project


async def grant_role(
    identity: EmbeddedIdentity, project_id: str, user_id: str, role: str, *, wanted: bool = True
) -> None:
    """Give a user a role in a project, or take it away."""
    project = await get_project(identity, project_id)
    user = await get_user(identity, user_id)
    if role not in ROLES:
        raise NotFound(f"Could not find role: {role}.", remedy=f"There are {', '.join(ROLES)}.")
    grant = Grant(user_id=user.id, project_id=project.id, role=role)
    if wanted:
        await identity.store.add_grant(grant)
    else:
        await identity.store.delete_grant(grant)


async def roles_of(identity: EmbeddedIdentity, project_id: str, user_id: str) -> list[str]:
    """The user's roles in the project."""
    granted: Sequence[Grant] = await identity.store.list_grants(UserId(user_id))
    return [grant.role for grant in granted if grant.project_id == project_id]


async def create_credential(
    identity: EmbeddedIdentity, session: Session, credential_id: str, request: CredentialRequest
) -> tuple[Credential, str]:
    """Make an application credential for the session's user and project; answers its secret too."""
    if session.project is None:
        raise MantleError("An application credential needs a token scoped to a project.")
    if session.credential is not None and not session.credential.unrestricted:
        raise Forbidden("A restricted application credential cannot make further ones.")
    _check_name("application credential", request.name)
    roles = request.roles or session.roles
    foreign = [role for role in roles if role not in session.roles]
    if foreign:
        raise MantleError(
            f"You do not have the role {foreign[0]!r} in project {session.project.name!r}."
        )
    named = await identity.store.list_credentials(session.user.id)
    if any(one.name == request.name for one in named):
        raise Conflict(
            f"An application credential named {request.name!r} exists already.",
            remedy="Choose another name.",
        )
    secret = request.secret or base64.urlsafe_b64encode(identity.random(48)).decode()
    credential = Credential(
        id=credential_id,
        name=request.name,
        user_id=session.user.id,
        project_id=session.project.id,
        secret_hash=await identity.passwords.hash(secret),
        roles=tuple(roles),
        description=request.description,
        unrestricted=request.unrestricted,
        expires_at=request.expires_at,
    )
    await identity.store.add_credential(credential)
    return credential, secret


async def find_credential(
    identity: EmbeddedIdentity, user_id: str, credential_id: str
) -> Credential:
    """One of the user's; raises `NotFound`."""
    credential = await identity.store.get_credential(credential_id)
    if credential is None or credential.user_id != user_id:
        raise NotFound(f"Could not find application credential: {credential_id}.")
    return credential


def _check_name(what: str, name: str) -> None:
    if not name.strip() or len(name) > NAME_LENGTH:
        raise MantleError(f"A {what}'s name has 1 to {NAME_LENGTH} characters, not {len(name)}.")


def _check_password(password: str) -> None:
    if not password or len(password) > MAX_LENGTH:
        raise MantleError(f"A password has 1 to {MAX_LENGTH} characters.")
