"""Trusts of users in Mantle, for work that goes on after their tokens have expired."""

from sqlalchemy import Column, Float, String, Table

from mantle.store.tables.base import Json, SealedText, metadata

trusts = Table(
    "trusts",
    metadata,
    Column("id", String(400), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("cloud", String(255), nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("trust_id", SealedText, nullable=False),
    Column("roles", Json, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("looked_at", Float, nullable=False),
)
