"""Drift: when each stack was seen, what was done about a finding, and a lease of its own."""

from alembic import op
from sqlalchemy import Column, Float, String, Text, inspect

from mantle.store.tables.drift import drift_corrections, drift_sights

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ADDED = (
    ("drift_findings", "operation_id", String(36)),
    ("drift_findings", "note", Text()),
    ("drift_looks", "claimed_at", Float()),
)


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    connection = op.get_bind()
    for table in (drift_sights, drift_corrections):
        table.create(connection, checkfirst=True)
    for table_name, name, kind in ADDED:
        known = {column["name"] for column in inspect(connection).get_columns(table_name)}
        if name not in known:
            op.add_column(table_name, Column(name, kind))
    indexes = {index["name"] for index in inspect(connection).get_indexes("drift_findings")}
    if "drift_findings_by_operation" not in indexes:
        op.create_index("drift_findings_by_operation", "drift_findings", ["operation_id"])


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
