"""Software configurations: make, read, list, delete, and give their text to whoever boots by it."""

from dataclasses import dataclass, field
from typing import Any

from mantle.model.errors import LimitExceeded, MantleError, NotFound
from mantle.model.ids import ProjectId
from mantle.model.software import SoftwareConfig
from mantle.resources.heat.stored_config import held_config
from mantle.store import resources as resource_rows
from mantle.store import software as rows
from mantle.store import stacks as stack_rows
from mantle.store.database import Connection, Database

PER_PROJECT = 4096
"""Heat's default quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRequest:
    """What a caller asks for; the API has decoded it."""

    name: str
    group: str = "Heat::Ungrouped"
    config: Any = ""
    inputs: tuple[dict[str, Any], ...] = ()
    outputs: tuple[dict[str, Any], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


async def create_config(
    database: Database, project_id: ProjectId, request: ConfigRequest, *, config_id: str, now: float
) -> SoftwareConfig:
    """Store a configuration; raises when an input or output is not well formed."""
    for kind, entries in (("input", request.inputs), ("output", request.outputs)):
        for entry in entries:
            if not isinstance(entry.get("name"), str):
                raise MantleError(
                    f"An {kind} of software config {request.name!r} has no name: {entry}.",
                    remedy=f'Give every {kind} a "name".',
                )
    config = SoftwareConfig(
        id=config_id,
        project_id=project_id,
        name=request.name,
        group=request.group,
        config=request.config,
        inputs=request.inputs,
        outputs=request.outputs,
        options=request.options,
        created_at=now,
    )

    def store(connection: Connection) -> SoftwareConfig:
        if rows.count_configs(connection, project_id) >= PER_PROJECT:
            raise LimitExceeded(
                f"The project has {PER_PROJECT} software configs, as many as it may.",
                remedy="Delete some that are not used.",
            )
        rows.add_config(connection, config)
        return config

    return await database.write(store)


async def find_config(database: Database, project_id: ProjectId, config_id: str) -> SoftwareConfig:
    """One of the project's; raises `NotFound`."""
    config = await database.read(config_of, project_id, config_id)
    if config is None:
        raise _absent(config_id)
    return config


def config_of(
    connection: Connection, project_id: ProjectId, config_id: str
) -> SoftwareConfig | None:
    """A stored one, or what a resource of the project's holds; None when there is neither."""
    config = rows.get_config(connection, project_id, config_id)
    if config is not None:
        return config
    row = resource_rows.get(connection, config_id)
    stack = stack_rows.get(connection, row.stack_id) if row else None
    if row is None or stack is None or stack.project_id != project_id:
        return None
    return held_config(row, project_id) if "config" in row.attributes else None


async def list_configs(
    database: Database,
    project_id: ProjectId | None,
    *,
    limit: int | None = None,
    marker: str | None = None,
) -> list[SoftwareConfig]:
    """The project's, oldest first; None lists all projects'."""
    return await database.read(rows.list_configs, project_id, limit, marker)


async def delete_config(database: Database, project_id: ProjectId, config_id: str) -> None:
    """Delete one that no deployment needs."""

    def remove(connection: Connection) -> None:
        user = rows.config_in_use(connection, config_id)
        if rows.get_config(connection, project_id, config_id) is None:
            raise _absent(config_id)
        if user is not None:
            raise MantleError(
                f"Software config {config_id} is used by deployment {user}.",
                remedy="Delete the deployment first.",
                fault="Forbidden",
            )
        rows.delete_config(connection, project_id, config_id)

    await database.write(remove)


async def config_text(database: Database, project_id: ProjectId, config_id: str) -> str | None:
    """The text behind an id: a configuration's, or that of a resource whose type holds one.

    None when the project has neither.
    """
    config = await database.read(config_of, project_id, config_id)
    return config.config if config is not None and isinstance(config.config, str) else None


def _absent(config_id: str) -> NotFound:
    return NotFound(f"The Software config ({config_id}) could not be found.", fault="NotFound")
