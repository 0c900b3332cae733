"""Saved plans, the guards of stacks, and policy rules."""

from sqlalchemy import Boolean, Column, Float, Index, Integer, String, Table, Text

from mantle.store.tables.base import Json, metadata

saved_plans = Table(
    "saved_plans",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("stack_id", String(36), nullable=False),
    Column("stack_name", String(255), nullable=False),
    Column("action", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("document", Json, nullable=False),
    Column("binding", Json, nullable=False),
    Column("options", Json, nullable=False),
    Column("waves", Json, nullable=False),
    Column("wave", Integer, nullable=False),
    Column("done", Json, nullable=False),
    Column("running", Json, nullable=False),
    Column("requests", Json, nullable=False),
    Column("notes", Json, nullable=False),
    Column("source_id", String(64)),
    Column("base_source_id", String(64)),
    Column("operation_id", String(36)),
    Column("look_at", Float, nullable=False),
    Column("made_by", Json, nullable=False),
    Column("applied_by", Json, nullable=False),
    Column("made_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
    Column("ended_at", Float),
    Column("version", Integer, nullable=False),
)
Index("saved_plans_by_project", saved_plans.c.project_id, saved_plans.c.made_at)
Index("saved_plans_by_stack", saved_plans.c.stack_id)
Index("saved_plans_by_status", saved_plans.c.status)

stack_guards = Table(
    "stack_guards",
    metadata,
    Column("stack_id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("protected", Boolean, nullable=False),
    Column("why", Text, nullable=False),
    Column("set_by", String(255), nullable=False),
    Column("expires_at", Float),
    Column("leads", Json, nullable=False),
    Column("warned", Json, nullable=False),
    Column("quiet_until", Float, nullable=False),
    Column("version", Integer, nullable=False),
)
Index("stack_guards_by_end", stack_guards.c.expires_at)

policy_rules = Table(
    "policy_rules",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("project_id", String(64), nullable=False),
    Column("name", String(255), nullable=False),
    Column("effect", String(16), nullable=False),
    Column("expression", Text, nullable=False),
    Column("actions", Json, nullable=False),
    Column("resource_types", Json, nullable=False),
    Column("description", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("set_by", String(255), nullable=False),
    Column("set_at", Float, nullable=False),
)
Index("policy_rules_by_name", policy_rules.c.project_id, policy_rules.c.name, unique=True)
