"""Secrets of projects: credentials for other clouds."""

from sqlalchemy import Column, Float, Index, String, Table

from mantle.store.tables.base import SealedText, metadata

secrets = Table(
    "secrets",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("payload", SealedText, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("created_by", String(255), nullable=False),
)
Index("secrets_by_project", secrets.c.project_id, secrets.c.name, unique=True)
