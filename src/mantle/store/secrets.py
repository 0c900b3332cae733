"""Secrets of projects."""

from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from mantle.model.ids import ProjectId
from mantle.model.secrets import Secret
from mantle.store.sealed import open_text, place, placed
from mantle.store.tables.secrets import secrets

COLUMNS = ("id", "project_id", "name", "payload", "created_at", "created_by")


def add(connection: Connection, secret: Secret) -> bool:
    """Store it; false when the project has one of this name."""
    same = (secrets.c.project_id == secret.project_id) & (secrets.c.name == secret.name)
    if connection.execute(select(secrets.c.id).where(same)).first() is not None:
        return False
    values = {name: getattr(secret, name) for name in COLUMNS}
    connection.execute(insert(secrets), placed("secrets", values))
    return True


def find(connection: Connection, project_id: ProjectId, name_or_id: str) -> Secret | None:
    """By id or name, of this project only."""
    either = or_(secrets.c.id == name_or_id, secrets.c.name == name_or_id)
    query = select(secrets).where(secrets.c.project_id == project_id, either)
    row = connection.execute(query).mappings().first()
    return None if row is None else _secret(dict(row))


def of_project(connection: Connection, project_id: ProjectId) -> list[Secret]:
    """By name."""
    query = select(secrets).where(secrets.c.project_id == project_id).order_by(secrets.c.name)
    return [_secret(dict(row)) for row in connection.execute(query).mappings()]


def remove(connection: Connection, secret_id: str) -> None:
    """It is gone at once."""
    connection.execute(delete(secrets).where(secrets.c.id == secret_id))


def _secret(values: dict[str, Any]) -> Secret:
    where = place("secrets", "payload", values)
    return Secret(**{**values, "payload": open_text(values["payload"], where)})
