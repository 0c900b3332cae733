"""Whoever writes: what each process knows its last commit by."""

from sqlalchemy import BigInteger, Column, Float, String, Table

from mantle.store.tables.base import metadata

writers = Table(
    "writers",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("at", Float, nullable=False),
)
