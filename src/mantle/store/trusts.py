"""Trusts of users in Mantle; their ids are sealed."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, exists, insert, or_, select

from mantle.model.ids import ProjectId, UserId
from mantle.model.trusts import SECRET, Trust
from mantle.store import secrets as secret_rows
from mantle.store.database import Database
from mantle.store.sealed import open_text, place, placed
from mantle.store.tables.stacks import stacks
from mantle.store.tables.trusts import trusts


class Trusted:
    """An `access.trusts.TrustStore` over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, project_id: str, user_id: str, cloud: str) -> Trust | None:
        """One user's."""
        found = await self._database.read(_of_project, project_id, cloud)
        return next((trust for trust in found if trust.user_id == user_id), None)

    async def of_project(self, project_id: str, cloud: str) -> Sequence[Trust]:
        """All users', the one that was last known to be good first."""
        return await self._database.read(_of_project, project_id, cloud)

    async def save(self, trust: Trust) -> None:
        """In place of the one there was."""
        await self._database.write(_save, trust)

    async def remove(self, trust: Trust) -> None:
        """Forget it, unless it has been replaced meanwhile."""
        await self._database.write(_remove, trust)

    async def unused(self, before: float) -> Sequence[Trust]:
        """Those from before then that nothing needs.

        A trust is needed by the live stacks that its user owns there; and, of whichever member,
        while one of the project's stacks there has an owner who has left no good trust.
        """
        return await self._database.read(_unused, before)

    async def secret(self, project_id: str) -> str | None:
        """What the project keeps for this, as text."""
        secret = await self._database.read(secret_rows.find, ProjectId(project_id), SECRET)
        return None if secret is None else secret.payload


def _of_project(connection: Connection, project_id: str, cloud: str) -> list[Trust]:
    query = select(trusts).where(trusts.c.project_id == project_id, trusts.c.cloud == cloud)
    query = query.order_by(trusts.c.looked_at.desc())
    return [_trust(dict(row)) for row in connection.execute(query).mappings()]


def _save(connection: Connection, trust: Trust) -> None:
    connection.execute(delete(trusts).where(trusts.c.id == _id(trust)))
    values = {
        "id": _id(trust),
        "project_id": trust.project_id,
        "user_id": trust.user_id,
        "cloud": trust.cloud,
        "user_name": trust.user_name,
        "trust_id": trust.trust_id,
        "roles": list(trust.roles),
        "created_at": trust.created_at,
        "looked_at": trust.looked_at,
    }
    connection.execute(insert(trusts), placed("trusts", values))


def _remove(connection: Connection, trust: Trust) -> None:
    made = trusts.c.created_at == trust.created_at
    connection.execute(delete(trusts).where(trusts.c.id == _id(trust), made))


def _unused(connection: Connection, before: float) -> list[Trust]:
    others = trusts.alias()
    good = exists().where(
        others.c.project_id == stacks.c.project_id,
        others.c.cloud == stacks.c.cloud,
        others.c.user_id == stacks.c.owner_id,
        others.c.looked_at > 0.0,
    )
    needing = exists().where(
        stacks.c.project_id == trusts.c.project_id,
        stacks.c.cloud == trusts.c.cloud,
        stacks.c.deleted_at.is_(None),
        or_(stacks.c.owner_id == trusts.c.user_id, ~good),
    )
    query = select(trusts).where(trusts.c.looked_at < before, ~needing)
    return [_trust(dict(row)) for row in connection.execute(query).mappings()]


def _id(trust: Trust) -> str:
    """There is one for each user, project and cloud."""
    return f"{trust.project_id}/{trust.user_id}/{trust.cloud}"


def _trust(values: dict[str, Any]) -> Trust:
    where = place("trusts", "trust_id", values)
    return Trust(
        project_id=ProjectId(values["project_id"]),
        user_id=UserId(values["user_id"]),
        user_name=values["user_name"],
        cloud=values["cloud"],
        trust_id=open_text(values["trust_id"], where),
        roles=tuple(values["roles"]),
        created_at=values["created_at"],
        looked_at=values["looked_at"],
    )
