"""Snapshots of stacks."""

from sqlalchemy import Boolean, Column, Float, Index, String, Table, Text

from mantle.store.tables.base import Json, metadata

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("operation_id", String(36), nullable=False),
    Column("name", String(255)),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("source_id", String(64), nullable=False),
    Column("data", Json, nullable=False),
    Column("created_at", Float, nullable=False),
)
Index("snapshots_by_stack", snapshots.c.stack_id)

snapshot_contents = Table(
    "snapshot_contents",
    metadata,
    Column("token", String(128), primary_key=True),
    Column("snapshot_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("cloud", String(255), nullable=False),
    Column("path", Text, nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("kept", Json),
    Column("leaving", Boolean, nullable=False, default=False),
    Column("reason", Text, nullable=False, default=""),
)
Index("snapshot_contents_by_snapshot", snapshot_contents.c.snapshot_id)
