"""Snapshots of stacks."""

from sqlalchemy import Column, Float, Index, String, Table, Text

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
