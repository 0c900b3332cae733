"""Users, projects, roles and application credentials over HTTP."""

from dataclasses import replace

from mantle.access import accounts
from mantle.access.accounts import CredentialRequest
from mantle.api.door import Reply, empty
from mantle.api.identity import views
from mantle.api.identity.knock import Knock
from mantle.api.identity.requests import flag, moment, part, text
from mantle.model.errors import Forbidden, MantleError, NotFound
from mantle.model.identity import DOMAIN_ID, DOMAIN_NAME, ROLES, Project, User
from mantle.model.ids import ProjectId, UserId

# --- users -----------------------------------------------------------------------------------


async def list_users(knock: Knock) -> Reply:
    """GET /users; anyone may look up the own name."""
    name = knock.call.first("name")
    if name != knock.sender.user.name:
        knock.must_be_admin()
    base = knock.call.base_url
    found = await knock.identity.store.list_users()
    rows = [views.user(user, base) for user in found if name in {None, user.name}]
    return Reply(body=views.listing("users", rows, base, "users"))


async def show_user(knock: Knock) -> Reply:
    """GET /users/{user}."""
    knock.must_be(knock.names["user"])
    user = await accounts.get_user(knock.identity, knock.names["user"])
    return Reply(body={"user": views.user(user, knock.call.base_url)})


async def create_user(knock: Knock) -> Reply:
    """POST /users."""
    knock.must_be_admin()
    body = part(knock.call.json_object(), "user")
    wanted = _changed_user(User(id=UserId(""), name="", password_hash=""), body)
    user = await accounts.create_user(
        knock.identity, UserId(knock.hex_id()), wanted, text(body, "password") or ""
    )
    return Reply(status=201, body={"user": views.user(user, knock.call.base_url)})


async def update_user(knock: Knock) -> Reply:
    """PATCH /users/{user}."""
    knock.must_be_admin()
    body = part(knock.call.json_object(), "user")
    old = await accounts.get_user(knock.identity, knock.names["user"])
    new = await accounts.update_user(
        knock.identity, _changed_user(old, body), text(body, "password")
    )
    return Reply(body={"user": views.user(new, knock.call.base_url)})


async def delete_user(knock: Knock) -> Reply:
    """DELETE /users/{user}."""
    knock.must_be_admin()
    user = await accounts.get_user(knock.identity, knock.names["user"])
    if user.id == knock.sender.user.id:
        raise Forbidden("You cannot delete the user you are logged in as.")
    await knock.identity.store.delete_user(user.id)
    return empty(204)


async def change_password(knock: Knock) -> Reply:
    """POST /users/{user}/password: one's own, and the old one must be right."""
    if knock.sender.user.id != knock.names["user"]:
        raise Forbidden("A password is changed by its user; an admin sets a new one by PATCH.")
    body = part(knock.call.json_object(), "user")
    await accounts.change_password(
        knock.identity,
        knock.sender.user,
        text(body, "original_password") or "",
        text(body, "password") or "",
    )
    return empty(204)


async def projects_of_user(knock: Knock) -> Reply:
    """GET /users/{user}/projects."""
    knock.must_be(knock.names["user"])
    base = knock.call.base_url
    user = await accounts.get_user(knock.identity, knock.names["user"])
    rows = [views.project(project, base) for project in await knock.identity.projects_of(user)]
    return Reply(body=views.listing("projects", rows, base, f"users/{user.id}/projects"))


def _changed_user(user: User, body: dict[str, object]) -> User:
    default = text(body, "default_project_id") or user.default_project_id
    return replace(
        user,
        name=text(body, "name") or user.name,
        enabled=flag(body, "enabled", default=user.enabled),
        default_project_id=ProjectId(default) if default else None,
        description=text(body, "description") or user.description,
        email=text(body, "email") or user.email,
    )


# --- projects --------------------------------------------------------------------------------


async def list_projects(knock: Knock) -> Reply:
    """GET /projects; anyone may look up the own project's name."""
    name = knock.call.first("name")
    own = knock.sender.project
    if own is None or name != own.name:
        knock.must_be_admin()
    base = knock.call.base_url
    found = await knock.identity.store.list_projects()
    rows = [views.project(project, base) for project in found if name in {None, project.name}]
    return Reply(body=views.listing("projects", rows, base, "projects"))


async def show_project(knock: Knock) -> Reply:
    """GET /projects/{project}."""
    own = knock.sender.project
    if own is None or own.id != knock.names["project"]:
        knock.must_be_admin()
    project = await accounts.get_project(knock.identity, knock.names["project"])
    return Reply(body={"project": views.project(project, knock.call.base_url)})


async def create_project(knock: Knock) -> Reply:
    """POST /projects."""
    knock.must_be_admin()
    body = part(knock.call.json_object(), "project")
    wanted = _changed_project(Project(id=ProjectId(knock.hex_id()), name=""), body)
    project = await accounts.create_project(knock.identity, wanted)
    return Reply(status=201, body={"project": views.project(project, knock.call.base_url)})


async def update_project(knock: Knock) -> Reply:
    """PATCH /projects/{project}."""
    knock.must_be_admin()
    body = part(knock.call.json_object(), "project")
    old = await accounts.get_project(knock.identity, knock.names["project"])
    new = await accounts.update_project(knock.identity, _changed_project(old, body))
    return Reply(body={"project": views.project(new, knock.call.base_url)})


async def delete_project(knock: Knock) -> Reply:
    """DELETE /projects/{project}. Its stacks stay, and only an admin can still list them."""
    knock.must_be_admin()
    project = await accounts.get_project(knock.identity, knock.names["project"])
    own = knock.sender.project
    if own is not None and own.id == project.id:
        raise Forbidden("You cannot delete the project you are logged in to.")
    await knock.identity.store.delete_project(project.id)
    return empty(204)


def _changed_project(project: Project, body: dict[str, object]) -> Project:
    return replace(
        project,
        name=text(body, "name") or project.name,
        enabled=flag(body, "enabled", default=project.enabled),
        description=text(body, "description") or project.description,
    )


# --- roles and the domain --------------------------------------------------------------------


async def list_roles(knock: Knock) -> Reply:
    """GET /roles."""
    base = knock.call.base_url
    name = knock.call.first("name")
    rows = [views.role(role, base) for role in ROLES if name in {None, role}]
    return Reply(body=views.listing("roles", rows, base, "roles"))


async def show_role(knock: Knock) -> Reply:
    """GET /roles/{role}."""
    if knock.names["role"] not in ROLES:
        raise NotFound(f"Could not find role: {knock.names['role']}.")
    return Reply(body={"role": views.role(knock.names["role"], knock.call.base_url)})


async def list_grants(knock: Knock) -> Reply:
    """GET /projects/{project}/users/{user}/roles."""
    knock.must_be(knock.names["user"])
    base, names = knock.call.base_url, knock.names
    found = await accounts.roles_of(knock.identity, names["project"], names["user"])
    rows = [views.role(role, base) for role in found]
    path = f"projects/{names['project']}/users/{names['user']}/roles"
    return Reply(body=views.listing("roles", rows, base, path))


async def add_grant(knock: Knock) -> Reply:
    """PUT /projects/{project}/users/{user}/roles/{role}."""
    knock.must_be_admin()
    names = knock.names
    await accounts.grant_role(knock.identity, names["project"], names["user"], names["role"])
    return empty(204)


async def delete_grant(knock: Knock) -> Reply:
    """DELETE /projects/{project}/users/{user}/roles/{role}."""
    knock.must_be_admin()
    names = knock.names
    await accounts.grant_role(
        knock.identity, names["project"], names["user"], names["role"], wanted=False
    )
    return empty(204)


async def list_domains(knock: Knock) -> Reply:
    """GET /domains."""
    base = knock.call.base_url
    rows = [views.domain(base)] if knock.call.first("name") in {None, DOMAIN_NAME} else []
    return Reply(body=views.listing("domains", rows, base, "domains"))


async def show_domain(knock: Knock) -> Reply:
    """GET /domains/{domain}."""
    if knock.names["domain"] != DOMAIN_ID:
        raise NotFound(f"Could not find domain: {knock.names['domain']}.")
    return Reply(body={"domain": views.domain(knock.call.base_url)})


# --- application credentials -----------------------------------------------------------------


async def list_credentials(knock: Knock) -> Reply:
    """GET /users/{user}/application_credentials."""
    user_id = knock.names["user"]
    knock.must_be(user_id)
    base = knock.call.base_url
    name = knock.call.first("name")
    found = await knock.identity.store.list_credentials(UserId(user_id))
    rows = [views.credential(one, base) for one in found if name in {None, one.name}]
    path = f"users/{user_id}/application_credentials"
    return Reply(body=views.listing("application_credentials", rows, base, path))


async def create_credential(knock: Knock) -> Reply:
    """POST /users/{user}/application_credentials: for oneself only."""
    if knock.sender.user.id != knock.names["user"]:
        raise Forbidden("An application credential is made by its own user.")
    body = part(knock.call.json_object(), "application_credential")
    roles = body.get("roles") or []
    if not isinstance(roles, list) or not all(isinstance(role, dict) for role in roles):
        raise MantleError("'roles' must be a list of objects with a name or an id.")
    request = CredentialRequest(
        name=text(body, "name") or "",
        secret=text(body, "secret"),
        description=text(body, "description") or "",
        roles=tuple(str(role.get("name") or role.get("id")) for role in roles),
        expires_at=moment(body, "expires_at"),
        unrestricted=flag(body, "unrestricted", default=False),
    )
    credential, secret = await accounts.create_credential(
        knock.identity, knock.sender, knock.hex_id(), request
    )
    view = views.credential(credential, knock.call.base_url, secret)
    return Reply(status=201, body={"application_credential": view})


async def show_credential(knock: Knock) -> Reply:
    """GET /users/{user}/application_credentials/{credential}."""
    knock.must_be(knock.names["user"])
    found = await accounts.find_credential(
        knock.identity, knock.names["user"], knock.names["credential"]
    )
    return Reply(body={"application_credential": views.credential(found, knock.call.base_url)})


async def delete_credential(knock: Knock) -> Reply:
    """DELETE /users/{user}/application_credentials/{credential}."""
    knock.must_be(knock.names["user"])
    found = await accounts.find_credential(
        knock.identity, knock.names["user"], knock.names["credential"]
    )
    await knock.identity.store.delete_credential(found.id)
    return empty(204)
