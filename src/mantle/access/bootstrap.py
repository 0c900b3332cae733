"""The accounts a new installation starts with."""

from collections.abc import Callable

from mantle.access.accounts import create_user
from mantle.access.identity import EmbeddedIdentity
from mantle.model.identity import Grant, Project, User
from mantle.model.ids import ProjectId, UserId


async def ensure_accounts(
    identity: EmbeddedIdentity,
    *,
    admin_password: str,
    demo_password: str,
    new_id: Callable[[], str],
) -> None:
    """Make the projects and users `admin` and `demo` where they are missing.

    What exists already keeps its password: starting again changes nothing. `admin` also has the
    role admin in `demo`, to help there.
    """
    admins = await _project(identity, "admin", "For those who look after Mantle.", new_id)
    demo = await _project(identity, "demo", "For trying things out.", new_id)
    admin = await _user(identity, "admin", admin_password, admins, new_id)
    tester = await _user(identity, "demo", demo_password, demo, new_id)
    for user, project, role in (
        (admin, admins, "admin"),
        (admin, demo, "admin"),
        (tester, demo, "member"),
    ):
        await identity.store.add_grant(Grant(user_id=user.id, project_id=project.id, role=role))


async def _project(
    identity: EmbeddedIdentity, name: str, description: str, new_id: Callable[[], str]
) -> Project:
    found = await identity.store.find_project(name)
    if found is not None:
        return found
    made = Project(id=ProjectId(_hex(new_id())), name=name, description=description)
    await identity.store.save_project(made)
    return made


async def _user(
    identity: EmbeddedIdentity,
    name: str,
    password: str,
    project: Project,
    new_id: Callable[[], str],
) -> User:
    found = await identity.store.find_user(name)
    if found is not None:
        return found
    user_id = UserId(_hex(new_id()))
    wanted = User(id=user_id, name=name, password_hash="", default_project_id=project.id)
    return await create_user(identity, user_id, wanted, password)


def _hex(uuid: str) -> str:
    """Keystone's ids carry no hyphens, and some clients tell ids from names by that."""
    return uuid.replace("-", "")
