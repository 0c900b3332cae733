"""Event sinks of stacks: the outbox is the table of events, a sink is a place in it."""

from sqlalchemy import Column, Float, Index, Integer, String, Table

from mantle.store.tables.base import SealedText, metadata
from mantle.store.tables.stacks import Sequence

event_sinks = Table(
    "event_sinks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("target", SealedText, nullable=False),
    Column("ttl_seconds", Float, nullable=False),
    Column("sequence", Sequence, nullable=False),
    Column("last", Sequence),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Float, nullable=False, default=0.0),
    Column("problem", SealedText, nullable=False, default=""),
    Column("delivered", Integer, nullable=False, default=0),
    Column("dropped", Integer, nullable=False, default=0),
    Column("version", Integer, nullable=False, default=0),
)
Index("event_sinks_by_stack", event_sinks.c.stack_id)
