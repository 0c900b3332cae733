"""What single projects may have, where it is not what all may have."""

from sqlalchemy import Column, Float, Integer, String, Table

from mantle.store.tables.base import metadata

project_limits = Table(
    "project_limits",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("value", Integer, nullable=False),
    Column("set_by", String(255), nullable=False),
    Column("set_at", Float, nullable=False),
)
