"""Sweeps, and the servers of each."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text

from mantle.store.tables.base import Json, metadata
from mantle.store.tables.stacks import Sequence

sweeps = Table(
    "sweeps",
    metadata,
    Column("sequence", Sequence, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("project_id", String(64), nullable=False),
    Column("verb", String(16), nullable=False),
    Column("selector", Json, nullable=False),
    Column("flavor", String(255), nullable=False),
    Column("host", String(255), nullable=False),
    Column("parallel", Integer, nullable=False),
    Column("failures_allowed", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("cancel", Boolean, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("skipped", Integer, nullable=False),
    Column("changes", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("engine", String(64), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
)
Index("sweeps_by_project", sweeps.c.project_id, sweeps.c.sequence)
Index("sweeps_by_status", sweeps.c.status)

sweep_targets = Table(
    "sweep_targets",
    metadata,
    Column("sweep_id", String(36), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("cloud", String(255), nullable=False),
    Column("server_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("stack", String(255), nullable=False),
    Column("status", String(16), nullable=False),
    Column("flavor", String(255), nullable=False),
    Column("host", String(255), nullable=False),
    Column("wanted", Json, nullable=False),
    Column("state", String(16), nullable=False),
    Column("mark", String(255), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("changed", Integer, nullable=False),
)
Index("sweep_targets_by_server", sweep_targets.c.server_id)
