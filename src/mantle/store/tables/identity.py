"""Accounts of the embedded identity service; see `model.identity` for what each column means."""

from sqlalchemy import Boolean, Column, Float, Index, String, Table, Text

from mantle.store.tables.base import Json, metadata

users = Table(
    "users",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("password_hash", Text, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("default_project_id", String(64)),
    Column("description", Text, nullable=False),
    Column("email", Text, nullable=False),
)

projects = Table(
    "projects",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("description", Text, nullable=False),
)

grants = Table(
    "grants",
    metadata,
    Column("user_id", String(64), primary_key=True),
    Column("project_id", String(64), primary_key=True),
    Column("role", String(64), primary_key=True),
)

credentials = Table(
    "credentials",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("secret_hash", Text, nullable=False),
    Column("roles", Json, nullable=False),
    Column("description", Text, nullable=False),
    Column("unrestricted", Boolean, nullable=False),
    Column("expires_at", Float),
)
Index("credentials_by_name", credentials.c.user_id, credentials.c.name, unique=True)

tokens = Table(
    "tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64)),
    Column("methods", Json, nullable=False),
    Column("credential_id", String(64)),
    Column("audit_id", String(64), nullable=False),
    Column("issued_at", Float, nullable=False),
    Column("expires_at", Float, nullable=False),
)
Index("tokens_by_user", tokens.c.user_id)
Index("tokens_by_expiry", tokens.c.expires_at)

ec2_credentials = Table(
    "ec2_credentials",
    metadata,
    Column("access", String(64), primary_key=True),
    Column("user_id", String(64), nullable=False),
    Column("project_id", String(64), nullable=False),
    Column("created_at", Float, nullable=False),
)
Index("ec2_credentials_by_user", ec2_credentials.c.user_id)
