"""What phases see of software configurations and deployments: those of the stack's project.

A config may be a resource of the same stack whose end is on its way to the database; the walk's own
rows are therefore asked first.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mantle.model.ids import ProjectId, ResourceId
from mantle.model.software import SoftwareConfig, SoftwareDeployment
from mantle.resources.heat.stored_config import held_config

if TYPE_CHECKING:
    from mantle.engine.walk import Walk


class SoftwareRecords(Protocol):
    """Where they are kept; the software domain implements it and `wiring.py` joins them."""

    async def config(self, project_id: ProjectId, config_id: str) -> SoftwareConfig | None: ...

    async def deployment(
        self, project_id: ProjectId, deployment_id: str
    ) -> SoftwareDeployment | None: ...

    async def deploy(self, config: SoftwareConfig, deployment: SoftwareDeployment) -> None: ...

    async def withdraw(self, project_id: ProjectId, deployment_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class WalkSoftware:
    """`resources.kit.Software` for the phases of one walk."""

    walk: "Walk"

    async def config(self, config_id: str) -> SoftwareConfig | None:
        walk = self.walk
        row = walk.rows.get(ResourceId(config_id))
        if row is not None and walk.machine.registry.get(row.resolved_type).holds_config:
            return held_config(row, walk.stack.project_id)
        return await walk.machine.software.config(walk.stack.project_id, config_id)

    async def deployment(self, deployment_id: str) -> SoftwareDeployment | None:
        walk = self.walk
        return await walk.machine.software.deployment(walk.stack.project_id, deployment_id)

    async def deploy(self, config: SoftwareConfig, deployment: SoftwareDeployment) -> None:
        await self.walk.machine.software.deploy(config, deployment)

    async def withdraw(self, deployment_id: str) -> None:
        await self.walk.machine.software.withdraw(self.walk.stack.project_id, deployment_id)
