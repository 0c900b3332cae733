"""Secrets of a project: kept for resources that read them, never shown again."""

from mantle.access.caller import Caller
from mantle.model.errors import Conflict, LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId
from mantle.model.secrets import Secret
from mantle.stacks.control import Control
from mantle.store import secrets as secret_rows

MOST_BYTES = 16 * 1024
MOST_SECRETS = 100
"""In one project."""


async def add_secret(control: Control, caller: Caller, name: str, payload: str) -> Secret:
    """Keep it; raises `Conflict` when the name is taken."""
    if not name.strip() or len(name) > 255:
        raise MantleError("A secret needs a name of 1 to 255 characters.")
    if not payload or len(payload.encode(errors="surrogatepass")) > MOST_BYTES:
        raise MantleError(f"A secret has 1 to {MOST_BYTES} bytes.")
    if len(await list_secrets(control, caller.project_id)) >= MOST_SECRETS:
        raise LimitExceeded(
            f"A project has {MOST_SECRETS} secrets at most.", remedy="Delete one first."
        )
    secret = Secret(
        id=control.new_id(),
        project_id=caller.project_id,
        name=name,
        payload=payload,
        created_at=control.clock.now(),
        created_by=caller.user_name,
    )
    if not await control.database.write(secret_rows.add, secret):
        raise Conflict(
            f"The project has a secret {name!r} already.",
            remedy="Delete it first, or choose another name.",
            fault="Conflict",
        )
    return secret


async def list_secrets(control: Control, project_id: ProjectId) -> list[Secret]:
    """By name."""
    return await control.database.read(secret_rows.of_project, project_id)


async def delete_secret(control: Control, project_id: ProjectId, name_or_id: str) -> None:
    """Stacks that read it cannot be changed any more until there is one of its name again."""
    secret = await control.database.read(secret_rows.find, project_id, name_or_id)
    if secret is None:
        raise NotFound(f"The secret ({name_or_id}) could not be found.")
    await control.database.write(secret_rows.remove, secret.id)
