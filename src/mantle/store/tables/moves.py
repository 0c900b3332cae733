"""Moves of resources between stacks, as planned and kept."""

from sqlalchemy import Column, Float, Index, Integer, String, Table

from mantle.store.tables.base import Json, metadata

moves = Table(
    "moves",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("request", Json, nullable=False),
    Column("source_name", String(255), nullable=False),
    Column("target_name", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("document", Json, nullable=False),
    Column("prints", Json, nullable=False),
    Column("new_stack_id", String(36)),
    Column("made_by", Json, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("applied_at", Float),
    Column("version", Integer, nullable=False),
)
Index("moves_by_project", moves.c.project_id, moves.c.made_at)
