"""Software configurations and deployments in the database."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update

from mantle.model.ids import ProjectId
from mantle.model.software import SoftwareConfig, SoftwareDeployment
from mantle.store.sealed import opened, placed
from mantle.store.tables.software import software_configs as configs
from mantle.store.tables.software import software_deployments as deployments


def add_config(connection: Connection, config: SoftwareConfig) -> None:
    """Store a new one."""
    connection.execute(insert(configs).values(placed("software_configs", asdict(config))))


def get_config(
    connection: Connection, project_id: ProjectId, config_id: str
) -> SoftwareConfig | None:
    """One of the project's, or None."""
    wanted = select(configs).where(configs.c.id == config_id, configs.c.project_id == project_id)
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _config(row)


def list_configs(
    connection: Connection, project_id: ProjectId | None, limit: int | None, marker: str | None
) -> list[SoftwareConfig]:
    """The project's (None: everyone's), oldest first, after the one with the marker's id."""
    wanted = select(configs).order_by(configs.c.created_at, configs.c.id)
    if project_id is not None:
        wanted = wanted.where(configs.c.project_id == project_id)
    found = [_config(row) for row in connection.execute(wanted)]
    ids = [config.id for config in found]
    start = ids.index(marker) + 1 if marker in ids else 0
    return found[start:] if limit is None else found[start : start + limit]


def count_configs(connection: Connection, project_id: ProjectId) -> int:
    """How many the project has."""
    wanted = select(func.count()).where(configs.c.project_id == project_id)
    return connection.execute(wanted).scalar_one()


def delete_config(connection: Connection, project_id: ProjectId, config_id: str) -> bool:
    """False when there was none."""
    done = connection.execute(
        delete(configs).where(configs.c.id == config_id, configs.c.project_id == project_id)
    )
    return bool(done.rowcount)


def config_in_use(connection: Connection, config_id: str) -> str | None:
    """The id of a deployment that needs the configuration, or None."""
    wanted = select(deployments.c.id).where(deployments.c.config_id == config_id).limit(1)
    return connection.execute(wanted).scalar_one_or_none()


def add_deployment(connection: Connection, deployment: SoftwareDeployment) -> None:
    """Store a new one."""
    values = placed("software_deployments", asdict(deployment))
    connection.execute(insert(deployments).values(values))


def save_deployment(connection: Connection, deployment: SoftwareDeployment) -> None:
    """Replace the one with its id."""
    values = placed("software_deployments", asdict(deployment))
    connection.execute(update(deployments).where(deployments.c.id == deployment.id).values(values))


def get_deployment(
    connection: Connection, project_id: ProjectId, deployment_id: str
) -> SoftwareDeployment | None:
    """One of the project's, or None."""
    wanted = select(deployments).where(
        deployments.c.id == deployment_id, deployments.c.project_id == project_id
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _deployment(row)


def list_deployments(
    connection: Connection, project_id: ProjectId, server_id: str | None
) -> list[SoftwareDeployment]:
    """The project's, oldest first; of one server when given."""
    wanted = select(deployments).where(deployments.c.project_id == project_id)
    if server_id is not None:
        wanted = wanted.where(deployments.c.server_id == server_id)
    rows = connection.execute(wanted.order_by(deployments.c.created_at, deployments.c.id))
    return [_deployment(row) for row in rows]


def count_deployments(connection: Connection, project_id: ProjectId) -> int:
    """How many the project has."""
    wanted = select(func.count()).where(deployments.c.project_id == project_id)
    return connection.execute(wanted).scalar_one()


def delete_deployment(connection: Connection, project_id: ProjectId, deployment_id: str) -> bool:
    """False when there was none."""
    done = connection.execute(
        delete(deployments).where(
            deployments.c.id == deployment_id, deployments.c.project_id == project_id
        )
    )
    return bool(done.rowcount)


def _config(row: Row[Any]) -> SoftwareConfig:
    values = opened("software_configs", row._asdict())
    values["inputs"] = tuple(values["inputs"])
    values["outputs"] = tuple(values["outputs"])
    return SoftwareConfig(**values)


def _deployment(row: Row[Any]) -> SoftwareDeployment:
    return SoftwareDeployment(**opened("software_deployments", row._asdict()))
