"""Stacks, their sources, resources, plans, operations, events and signals."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
)

from mantle.store.tables.base import Json, SealedText, metadata

Sequence = BigInteger().with_variant(Integer, "sqlite")

sources = Table(
    "sources",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("document", Json, nullable=False),
    Column("created_at", Float, nullable=False),
    # Nothing names it any more; and since when, once that has been seen.
    Column("loose", Boolean),
    Column("loose_at", Float),
)

stacks = Table(
    "stacks",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("owner_name", String(255), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("action", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("cloud", String(255), nullable=False),
    Column("source_id", String(64), nullable=False),
    Column("previous_source_id", String(64)),
    Column("disable_rollback", Boolean, nullable=False),
    Column("timeout_minutes", Integer),
    Column("tags", Text, nullable=False, default=""),
    Column("parent_id", String(36)),
    Column("parent_resource", String(255)),
    Column("root_id", String(36), nullable=False),
    Column("depth", Integer, nullable=False, default=0),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
    Column("deleted_at", Float),
    Column("outputs", Json, nullable=False),
    Column("output_errors", Json, nullable=False),
    Column("confidential", Boolean),
)
Index(
    "stacks_live_name",
    stacks.c.project_id,
    stacks.c.name,
    unique=True,
    sqlite_where=and_(stacks.c.deleted_at.is_(None), stacks.c.parent_id.is_(None)),
    postgresql_where=and_(stacks.c.deleted_at.is_(None), stacks.c.parent_id.is_(None)),
)
Index("stacks_by_project", stacks.c.project_id, stacks.c.created_at)
Index(
    "stacks_listed",
    stacks.c.project_id,
    stacks.c.created_at,
    stacks.c.id,
    sqlite_where=and_(stacks.c.deleted_at.is_(None), stacks.c.parent_id.is_(None)),
    postgresql_where=and_(stacks.c.deleted_at.is_(None), stacks.c.parent_id.is_(None)),
)
Index("stacks_by_parent", stacks.c.parent_id)
Index("stacks_by_root", stacks.c.root_id)

resources = Table(
    "resources",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("name", String(255), nullable=False),
    Column("type", Text, nullable=False),
    Column("resolved_type", Text, nullable=False),
    Column("action", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("token", String(64), nullable=False),
    Column("physical_id", Text),
    Column("properties", Json, nullable=False),
    Column("attributes", Json, nullable=False),
    Column("data", Json, nullable=False),
    Column("metadata", Json, nullable=False),
    Column("requires", Json, nullable=False),
    Column("deletion_policy", String(16), nullable=False),
    Column("replaces", String(36)),
    Column("replaced_by", String(36)),
    Column("operation_id", String(36)),
    Column("plan_id", String(36)),
    Column("started_at", Float),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("updated_at", Float),
)
Index("resources_by_stack", resources.c.stack_id, resources.c.name)
Index("resources_by_physical_id", resources.c.physical_id)

plans = Table(
    "plans",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("document", Json, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
Index("plans_by_stack", plans.c.stack_id)

operations = Table(
    "operations",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("stack_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("action", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("plan_id", String(36)),
    Column("epoch", Integer, nullable=False),
    Column("engine", String(64), nullable=False),
    Column("cancel", String(16)),
    Column("reason", Text, nullable=False),
    Column("parent_id", String(36)),
    Column("request_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("deadline_at", Float),
    Column("steps_total", Integer, nullable=False),
    Column("steps_done", Integer, nullable=False),
    Column("batch_size", Integer, nullable=False),
    Column("pause_seconds", Float, nullable=False),
    Column("requester", Json),
    Column("snapshot_id", String(36)),
    Column("format", Integer),
    Column("trace", String(64)),
    Column("observes", Boolean),
)
Index("operations_by_stack", operations.c.stack_id, operations.c.sequence)
Index("operations_by_status", operations.c.status)

events = Table(
    "events",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("stack_id", String(36), nullable=False),
    Column("operation_id", String(36)),
    Column("resource", String(255), nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("physical_id", Text),
    Column("action", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Float, nullable=False),
)
Index("events_by_stack", events.c.stack_id, events.c.sequence)

signals = Table(
    "signals",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False),
    Column("stack_id", String(36), nullable=False),
    Column("resource_id", String(36), nullable=False),
    Column("body", Json, nullable=False),
    Column("at", Float, nullable=False),
)
Index("signals_by_resource", signals.c.resource_id, signals.c.sequence)

engines = Table(
    "engines",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("started_at", Float, nullable=False),
    Column("beat_at", Float, nullable=False),
    Column("stopped_at", Float),
    Column("release", String(32)),
    Column("format", Integer),
)

settings = Table(
    "settings",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", SealedText, nullable=False),
)
