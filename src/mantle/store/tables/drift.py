"""Drift: what differs from what an operation left, what to do about it, and who looks when."""

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text

from mantle.store.tables.base import Json, metadata

drift_findings = Table(
    "drift_findings",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("stack_id", String(36), nullable=False),
    Column("resource_id", String(36), nullable=False),
    Column("resource", String(255), nullable=False),
    Column("resource_type", Text, nullable=False),
    Column("path", String(255), nullable=False),
    Column("expected", Json),
    Column("actual", Json),
    Column("first_seen", Float, nullable=False),
    Column("last_seen", Float, nullable=False),
    Column("ended_at", Float),
    Column("ending", String(32)),
    Column("operation_id", String(36)),
    Column("note", Text),
)
Index("drift_findings_by_stack", drift_findings.c.stack_id, drift_findings.c.ended_at)
Index("drift_findings_by_operation", drift_findings.c.operation_id)

drift_policies = Table(
    "drift_policies",
    metadata,
    Column("stack_id", String(36), primary_key=True),
    Column("resource", String(255), primary_key=True),
    Column("policy", String(16), nullable=False),
)

drift_looks = Table(
    "drift_looks",
    metadata,
    Column("project_id", String(64), primary_key=True),
    Column("cloud", String(64), primary_key=True),
    Column("looked_at", Float, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("objects", Integer, nullable=False),
    Column("claimed_at", Float),
)
"""One row for each place that is looked at; `claimed_at` is the lease, by the database's time."""

drift_sights = Table(
    "drift_sights",
    metadata,
    Column("stack_id", String(36), primary_key=True),
    Column("looked_at", Float),
    Column("blind", Json),
)
"""When each stack was last looked at whole, and what of it could not be seen the last time."""

drift_corrections = Table(
    "drift_corrections",
    metadata,
    Column("operation_id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("begun_at", Float, nullable=False),
)
"""Updates that were begun only to correct drift of a (root) stack."""
Index("drift_corrections_by_stack", drift_corrections.c.stack_id, drift_corrections.c.begun_at)
