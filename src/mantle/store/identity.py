"""Accounts in the database: the only place that reads or writes identity's tables.

Those of the stack domain are read from the rows of resources (`stack_users.py`) where the keys they
are derived from are given.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from sqlalchemy import (
    Column,
    Connection,
    Row,
    Select,
    Table,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from mantle.model.identity import (
    Credential,
    Ec2Credential,
    Grant,
    Project,
    Standing,
    TokenRecord,
    User,
)
from mantle.model.ids import ProjectId, UserId
from mantle.model.keys import StackKeys
from mantle.store import stack_users
from mantle.store.database import Database
from mantle.store.tables.identity import (
    credentials,
    ec2_credentials,
    grants,
    projects,
    tokens,
    users,
)

T = TypeVar("T")


class IdentityStore:
    """What `access` asks for, as coroutines over one database (see `access.ports`)."""

    def __init__(self, database: Database, keys: StackKeys | None = None) -> None:
        self._database = database
        self._keys = keys

    async def get_user(self, user_id: str) -> User | None:
        if self._keys is not None and self._keys.resource_of_user(user_id) is not None:
            return await self._database.read(stack_users.get_user, self._keys, user_id)
        return await self._database.read(get_user, user_id)

    async def find_user(self, name: str) -> User | None:
        return await self._database.read(find_user, name)

    async def list_users(self) -> Sequence[User]:
        return await self._database.read(list_users)

    async def save_user(self, user: User) -> None:
        await self._database.write(save, users, asdict(user))

    async def delete_user(self, user_id: UserId) -> None:
        await self._database.write(delete_user, user_id)

    async def get_project(self, project_id: str) -> Project | None:
        if self._keys is not None and self._keys.root_of_project(project_id) is not None:
            return await self._database.read(stack_users.get_project, self._keys, project_id)
        return await self._database.read(get_project, project_id)

    async def find_project(self, name: str) -> Project | None:
        return await self._database.read(find_project, name)

    async def list_projects(self) -> Sequence[Project]:
        return await self._database.read(list_projects)

    async def save_project(self, project: Project) -> None:
        await self._database.write(save, projects, asdict(project))

    async def delete_project(self, project_id: ProjectId) -> None:
        await self._database.write(delete_project, project_id)

    async def list_grants(self, user_id: UserId | None = None) -> Sequence[Grant]:
        keys = self._keys
        if user_id is not None and keys is not None and keys.resource_of_user(user_id) is not None:
            return await self._database.read(stack_users.grants_of, keys, user_id)
        return await self._database.read(list_grants, user_id)

    async def add_grant(self, grant: Grant) -> None:
        await self._database.write(add_grant, grant)

    async def delete_grant(self, grant: Grant) -> None:
        await self._database.write(delete_grant, grant)

    async def get_credential(self, credential_id: str) -> Credential | None:
        return await self._database.read(get_credential, credential_id)

    async def list_credentials(self, user_id: UserId) -> Sequence[Credential]:
        return await self._database.read(list_credentials, user_id)

    async def add_credential(self, credential: Credential) -> None:
        await self._database.write(save, credentials, asdict(credential))

    async def delete_credential(self, credential_id: str) -> None:
        await self._database.write(delete_credential, credential_id)

    async def owner_of_key(self, access: str) -> tuple[UserId, ProjectId] | None:
        found = await self._database.read(get_ec2_credential, access)
        if found is not None:
            return found.user_id, found.project_id
        if self._keys is None:
            return None
        return await self._database.read(stack_users.owner_of_key, self._keys, access)

    async def get_ec2_credential(self, access: str) -> Ec2Credential | None:
        return await self._database.read(get_ec2_credential, access)

    async def list_ec2_credentials(self, user_id: UserId) -> Sequence[Ec2Credential]:
        return await self._database.read(list_ec2_credentials, user_id)

    async def add_ec2_credential(self, credential: Ec2Credential) -> None:
        await self._database.write(add_ec2_credential, credential)

    async def delete_ec2_credential(self, access: str) -> None:
        await self._database.write(delete_ec2_credential, access)

    async def add_token(self, token: TokenRecord) -> None:
        await self._database.write(add_token, token)

    async def get_token(self, digest: str) -> TokenRecord | None:
        return await self._database.read(get_token, digest)

    async def get_standing(self, digest: str) -> Standing | None:
        def read(connection: Connection) -> Standing | None:
            record = get_token(connection, digest)
            return None if record is None else standing_of(connection, record, self._keys)

        return await self._database.read(read)

    async def standing_of(self, record: TokenRecord) -> Standing:
        return await self._database.read(standing_of, record, self._keys)

    async def delete_token(self, digest: str) -> None:
        await self._database.write(delete_token, digest)

    async def delete_tokens_of(self, user_id: UserId) -> None:
        await self._database.write(delete_tokens_of, user_id)


# --- over a connection -----------------------------------------------------------------------


def _by(column: Column[Any]) -> Select[Any]:
    return select(column.table).where(column == bindparam("wanted"))


# Every request of every API begins with some of these, and so they are built once.
_USER, _USER_BY_NAME = _by(users.c.id), _by(users.c.name)
_PROJECT, _PROJECT_BY_NAME = _by(projects.c.id), _by(projects.c.name)
_CREDENTIAL, _EC2_CREDENTIAL = _by(credentials.c.id), _by(ec2_credentials.c.access)
_TOKEN = _by(tokens.c.digest)
_GRANTS = select(grants).order_by(grants.c.project_id, grants.c.role)
_GRANTS_OF = _GRANTS.where(grants.c.user_id == bindparam("wanted"))


def save(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Insert the row, or replace the one with its id."""
    changed = connection.execute(update(table).where(table.c.id == values["id"]).values(values))
    if not changed.rowcount:
        connection.execute(insert(table).values(values))


def get_user(connection: Connection, user_id: str) -> User | None:
    """By id."""
    return _one(connection, _USER, user_id, _user)


def find_user(connection: Connection, name: str) -> User | None:
    """By name."""
    return _one(connection, _USER_BY_NAME, name, _user)


def list_users(connection: Connection) -> list[User]:
    """All, by name."""
    return [_user(row) for row in connection.execute(select(users).order_by(users.c.name))]


def delete_user(connection: Connection, user_id: UserId) -> None:
    """With everything that lets the user in."""
    for table in (tokens, credentials, ec2_credentials, grants):
        connection.execute(delete(table).where(table.c.user_id == user_id))
    connection.execute(delete(users).where(users.c.id == user_id))


def get_project(connection: Connection, project_id: str) -> Project | None:
    """By id."""
    return _one(connection, _PROJECT, project_id, _project)


def find_project(connection: Connection, name: str) -> Project | None:
    """By name."""
    return _one(connection, _PROJECT_BY_NAME, name, _project)


def list_projects(connection: Connection) -> list[Project]:
    """All, by name."""
    return [_project(row) for row in connection.execute(select(projects).order_by(projects.c.name))]


def delete_project(connection: Connection, project_id: ProjectId) -> None:
    """With everything that gives access to it."""
    for table in (tokens, credentials, ec2_credentials, grants):
        connection.execute(delete(table).where(table.c.project_id == project_id))
    connection.execute(delete(projects).where(projects.c.id == project_id))


def list_grants(connection: Connection, user_id: UserId | None) -> list[Grant]:
    """One user's, or everyone's."""
    found = (
        connection.execute(_GRANTS)
        if user_id is None
        else connection.execute(_GRANTS_OF, {"wanted": user_id})
    )
    return [Grant(user_id=row.user_id, project_id=row.project_id, role=row.role) for row in found]


def add_grant(connection: Connection, grant: Grant) -> None:
    """Do nothing when it is there already."""
    delete_grant(connection, grant)
    connection.execute(insert(grants).values(asdict(grant)))


def delete_grant(connection: Connection, grant: Grant) -> None:
    """Do nothing when it is not there."""
    connection.execute(
        delete(grants).where(
            grants.c.user_id == grant.user_id,
            grants.c.project_id == grant.project_id,
            grants.c.role == grant.role,
        )
    )


def get_credential(connection: Connection, credential_id: str) -> Credential | None:
    """By id."""
    return _one(connection, _CREDENTIAL, credential_id, _credential)


def list_credentials(connection: Connection, user_id: UserId) -> list[Credential]:
    """One user's, by name."""
    wanted = select(credentials).where(credentials.c.user_id == user_id)
    return [_credential(row) for row in connection.execute(wanted.order_by(credentials.c.name))]


def delete_credential(connection: Connection, credential_id: str) -> None:
    """With the tokens got by it."""
    connection.execute(delete(tokens).where(tokens.c.credential_id == credential_id))
    connection.execute(delete(credentials).where(credentials.c.id == credential_id))


def get_ec2_credential(connection: Connection, access: str) -> Ec2Credential | None:
    """By its access id."""
    return _one(connection, _EC2_CREDENTIAL, access, _ec2_credential)


def list_ec2_credentials(connection: Connection, user_id: UserId) -> list[Ec2Credential]:
    """One user's, oldest first."""
    wanted = select(ec2_credentials).where(ec2_credentials.c.user_id == user_id)
    ordered = wanted.order_by(ec2_credentials.c.created_at, ec2_credentials.c.access)
    return [_ec2_credential(row) for row in connection.execute(ordered)]


def add_ec2_credential(connection: Connection, credential: Ec2Credential) -> None:
    """Store a new one."""
    connection.execute(insert(ec2_credentials).values(asdict(credential)))


def delete_ec2_credential(connection: Connection, access: str) -> None:
    """Requests signed with it are refused from now on."""
    connection.execute(delete(ec2_credentials).where(ec2_credentials.c.access == access))


def add_token(connection: Connection, token: TokenRecord) -> None:
    """Store it, and sweep out those that have expired, so that the table stays small."""
    connection.execute(delete(tokens).where(tokens.c.expires_at <= token.issued_at))
    connection.execute(insert(tokens).values(asdict(token)))


def get_token(connection: Connection, digest: str) -> TokenRecord | None:
    """By digest, expired or not."""
    return _one(connection, _TOKEN, digest, _token)


def standing_of(connection: Connection, record: TokenRecord, keys: StackKeys | None) -> Standing:
    """What a token means now: one look, as every request of every API begins with it."""
    user_id, project_id = record.user_id, record.project_id
    of_stack = keys is not None and keys.resource_of_user(user_id) is not None
    in_stack = (
        keys is not None and project_id is not None and keys.root_of_project(project_id) is not None
    )
    project = None
    if project_id is not None:
        project = (
            stack_users.get_project(connection, keys, project_id)
            if keys is not None and in_stack
            else get_project(connection, project_id)
        )
    return Standing(
        record=record,
        user=stack_users.get_user(connection, keys, user_id)
        if keys is not None and of_stack
        else get_user(connection, user_id),
        project=project,
        grants=tuple(
            stack_users.grants_of(connection, keys, user_id)
            if keys is not None and of_stack
            else list_grants(connection, user_id)
        ),
        credential=None
        if record.credential_id is None
        else get_credential(connection, record.credential_id),
    )


def delete_token(connection: Connection, digest: str) -> None:
    """Revoke one."""
    connection.execute(delete(tokens).where(tokens.c.digest == digest))


def delete_tokens_of(connection: Connection, user_id: UserId) -> None:
    """Revoke all of one user: the password has changed."""
    connection.execute(delete(tokens).where(tokens.c.user_id == user_id))


def _one(
    connection: Connection, statement: Select[Any], wanted: str, made: Callable[[Row[Any]], T]
) -> T | None:
    row = connection.execute(statement, {"wanted": wanted}).one_or_none()
    return None if row is None else made(row)


def _user(row: Row[Any]) -> User:
    return User(**row._asdict())


def _project(row: Row[Any]) -> Project:
    return Project(**row._asdict())


def _credential(row: Row[Any]) -> Credential:
    values = row._asdict()
    return Credential(**{**values, "roles": tuple(values["roles"])})


def _ec2_credential(row: Row[Any]) -> Ec2Credential:
    return Ec2Credential(**row._asdict())


def _token(row: Row[Any]) -> TokenRecord:
    values = row._asdict()
    return TokenRecord(**{**values, "methods": tuple(values["methods"])})
