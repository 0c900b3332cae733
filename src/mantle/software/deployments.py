"""Software deployments: a configuration on a server, and what the server's agent reports."""

from dataclasses import dataclass, field, replace
from typing import Any

from mantle.model.errors import LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId
from mantle.model.software import SoftwareConfig, SoftwareDeployment
from mantle.software.configs import config_of, find_config
from mantle.store import software as rows
from mantle.store.database import Connection, Database

PER_PROJECT = 4096
"""Heat's default quota."""

STATUSES = ("IN_PROGRESS", "COMPLETE", "FAILED")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentRequest:
    """What a caller asks for; the API has decoded it."""

    config_id: str
    server_id: str
    action: str = "CREATE"
    status: str = "IN_PROGRESS"
    status_reason: str = ""
    stack_user_project_id: str = ""
    input_values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentChange:
    """What is to be different; None leaves a value as it is."""

    config_id: str | None = None
    action: str | None = None
    status: str | None = None
    status_reason: str | None = None
    input_values: dict[str, Any] | None = None
    output_values: dict[str, Any] | None = None


async def create_deployment(
    database: Database,
    project_id: ProjectId,
    request: DeploymentRequest,
    *,
    deployment_id: str,
    now: float,
) -> SoftwareDeployment:
    """Store a deployment of one of the project's configurations."""
    await find_config(database, project_id, request.config_id)
    _check_status(request.status)
    deployment = SoftwareDeployment(
        id=deployment_id,
        project_id=project_id,
        config_id=request.config_id,
        server_id=request.server_id,
        stack_user_project_id=request.stack_user_project_id,
        action=request.action,
        status=request.status,
        status_reason=request.status_reason,
        input_values=request.input_values,
        created_at=now,
    )

    def store(connection: Connection) -> SoftwareDeployment:
        if rows.count_deployments(connection, project_id) >= PER_PROJECT:
            raise LimitExceeded(
                f"The project has {PER_PROJECT} software deployments, as many as it may.",
                remedy="Delete some that are done.",
            )
        rows.add_deployment(connection, deployment)
        return deployment

    return await database.write(store)


async def find_deployment(
    database: Database, project_id: ProjectId, deployment_id: str
) -> SoftwareDeployment:
    """One of the project's; raises `NotFound`."""
    deployment = await database.read(rows.get_deployment, project_id, deployment_id)
    if deployment is None:
        raise _absent(deployment_id)
    return deployment


async def list_deployments(
    database: Database, project_id: ProjectId, server_id: str | None = None
) -> list[SoftwareDeployment]:
    """The project's, oldest first; of one server when given."""
    return await database.read(rows.list_deployments, project_id, server_id)


async def update_deployment(
    database: Database,
    project_id: ProjectId,
    deployment_id: str,
    change: DeploymentChange,
    *,
    now: float,
) -> SoftwareDeployment:
    """Change a deployment; agents report their results so."""
    if change.config_id is not None:
        await find_config(database, project_id, change.config_id)
    if change.status is not None:
        _check_status(change.status)

    def store(connection: Connection) -> SoftwareDeployment:
        old = rows.get_deployment(connection, project_id, deployment_id)
        if old is None:
            raise _absent(deployment_id)
        new = replace(
            old,
            config_id=old.config_id if change.config_id is None else change.config_id,
            action=old.action if change.action is None else change.action,
            status=old.status if change.status is None else change.status,
            status_reason=(
                old.status_reason if change.status_reason is None else change.status_reason
            ),
            input_values=old.input_values if change.input_values is None else change.input_values,
            output_values=(
                old.output_values if change.output_values is None else change.output_values
            ),
            updated_at=now,
        )
        rows.save_deployment(connection, new)
        return new

    return await database.write(store)


async def delete_deployment(database: Database, project_id: ProjectId, deployment_id: str) -> None:
    """Forget a deployment; what it did on the server stays."""
    if not await database.write(rows.delete_deployment, project_id, deployment_id):
        raise _absent(deployment_id)


async def configs_of_server(
    database: Database, project_id: ProjectId, server_id: str
) -> list[tuple[SoftwareConfig, SoftwareDeployment]]:
    """What a server's agent polls: each deployment with its configuration, oldest first."""

    def look(connection: Connection) -> list[tuple[SoftwareConfig, SoftwareDeployment]]:
        found = []
        for deployment in rows.list_deployments(connection, project_id, server_id):
            config = config_of(connection, project_id, deployment.config_id)
            if config is not None:
                found.append((config, deployment))
        return found

    return await database.read(look)


def _check_status(status: str) -> None:
    if status not in STATUSES:
        raise MantleError(
            f"Unknown deployment status {status!r}.", remedy=f"Use one of {', '.join(STATUSES)}."
        )


def _absent(deployment_id: str) -> NotFound:
    return NotFound(
        f"The Software deployment ({deployment_id}) could not be found.", fault="NotFound"
    )
