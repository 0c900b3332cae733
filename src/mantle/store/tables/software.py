"""Software configurations and deployments; see `model.software` for what each column means."""

from sqlalchemy import Column, Float, Index, String, Table, Text

from mantle.store.tables.base import Json, metadata

software_configs = Table(
    "software_configs",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("group", String(255), nullable=False),
    Column("config", Json, nullable=False),
    Column("inputs", Json, nullable=False),
    Column("outputs", Json, nullable=False),
    Column("options", Json, nullable=False),
    Column("created_at", Float, nullable=False),
)
Index("software_configs_by_project", software_configs.c.project_id, software_configs.c.created_at)

software_deployments = Table(
    "software_deployments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("config_id", String(36), nullable=False),
    Column("server_id", String(255), nullable=False),
    Column("stack_user_project_id", String(64), nullable=False),
    Column("action", String(64), nullable=False),
    Column("status", String(64), nullable=False),
    Column("status_reason", Text, nullable=False),
    Column("input_values", Json, nullable=False),
    Column("output_values", Json, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
)
Index(
    "software_deployments_by_project",
    software_deployments.c.project_id,
    software_deployments.c.created_at,
)
Index("software_deployments_by_server", software_deployments.c.server_id)
Index("software_deployments_by_config", software_deployments.c.config_id)
