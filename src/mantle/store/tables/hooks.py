"""Hooks that hold a step until a person lets it go on."""

from sqlalchemy import Column, Float, Index, String, Table

from mantle.store.tables.base import metadata

hooks = Table(
    "hooks",
    metadata,
    Column("operation_id", String(36), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("hook", String(16), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("held_at", Float, nullable=False),
    Column("cleared_at", Float),
    Column("cleared_by", String(64)),
)
Index("hooks_by_stack", hooks.c.stack_id)
