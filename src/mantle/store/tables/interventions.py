"""What people asked of steps, how often steps asked their cloud, and what is stuck."""

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, String, Table, Text

from mantle.store.tables.base import Json, metadata

interventions = Table(
    "interventions",
    metadata,
    Column(
        "sequence",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    Column("id", String(36), nullable=False, unique=True),
    Column("operation_id", String(36), nullable=False),
    Column("stack_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("plan_id", String(36)),
    Column("step", Text, nullable=False),
    Column("verb", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("user_name", String(255), nullable=False),
    Column("asked_at", Float, nullable=False),
    Column("before", Text, nullable=False),
    Column("carry_on", Boolean, nullable=False),
    Column("now", Boolean, nullable=False),
    Column("settled_at", Float),
    Column("honoured", Boolean, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("resources", Json, nullable=False),
)
Index("interventions_by_operation", interventions.c.operation_id, interventions.c.sequence)

looks = Table(
    "looks",
    metadata,
    Column("operation_id", String(36), primary_key=True),
    Column("step", String(600), primary_key=True),
    Column("calls", Integer, nullable=False),
    Column("errors", Integer, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("error_at", Float),
    Column("looked_at", Float, nullable=False),
    Column("pause_seconds", Float, nullable=False),
    Column("inner", String(36)),
)

stuck = Table(
    "stuck",
    metadata,
    Column("operation_id", String(36), primary_key=True),
    Column("stack_id", String(36), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("since", Float, nullable=False),
    Column("reasons", Json, nullable=False),
)
