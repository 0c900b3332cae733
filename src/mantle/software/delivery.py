"""What resources of stacks deploy: kept where servers' agents and clients read it.

Implements `engine.software.SoftwareRecords`. A deployment of a resource has a config of its own,
made of the one it names and of what only it knows (the server, the action, how to answer); nobody
else refers to that, so it goes when the deployment goes or is given another.
"""

from dataclasses import dataclass, replace

from mantle.model.errors import LimitExceeded
from mantle.model.ids import ProjectId
from mantle.model.software import SoftwareConfig, SoftwareDeployment
from mantle.software.configs import config_of
from mantle.software.deployments import PER_PROJECT
from mantle.store import software as rows
from mantle.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Delivery:
    """Over one database."""

    database: Database

    async def config(self, project_id: ProjectId, config_id: str) -> SoftwareConfig | None:
        return await self.database.read(config_of, project_id, config_id)

    async def deployment(
        self, project_id: ProjectId, deployment_id: str
    ) -> SoftwareDeployment | None:
        return await self.database.read(rows.get_deployment, project_id, deployment_id)

    async def deploy(self, config: SoftwareConfig, deployment: SoftwareDeployment) -> None:
        def store(connection: Connection) -> None:
            project_id = deployment.project_id
            old = rows.get_deployment(connection, project_id, deployment.id)
            if rows.get_config(connection, project_id, config.id) is None:
                rows.add_config(connection, config)
            if old is None:
                if rows.count_deployments(connection, project_id) >= PER_PROJECT:
                    raise LimitExceeded(
                        f"The project has {PER_PROJECT} software deployments, as many as it may.",
                        remedy="Delete some that are done.",
                    )
                rows.add_deployment(connection, deployment)
                return
            rows.save_deployment(connection, replace(deployment, created_at=old.created_at))
            if old.config_id != config.id:
                _drop_config(connection, project_id, old.config_id)

        await self.database.write(store)

    async def withdraw(self, project_id: ProjectId, deployment_id: str) -> None:
        def remove(connection: Connection) -> None:
            old = rows.get_deployment(connection, project_id, deployment_id)
            if old is not None:
                rows.delete_deployment(connection, project_id, deployment_id)
                _drop_config(connection, project_id, old.config_id)

        await self.database.write(remove)


def _drop_config(connection: Connection, project_id: ProjectId, config_id: str) -> None:
    """Unless somebody refers to it after all: a client may deploy what it finds in the list."""
    if rows.config_in_use(connection, config_id) is None:
        rows.delete_config(connection, project_id, config_id)
