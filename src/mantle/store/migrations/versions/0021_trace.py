"""The trace that an operation is part of."""

from alembic import op
from sqlalchemy import Column, String, inspect

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. A database made by this release has it from its first revision on."""
    there = {column["name"] for column in inspect(op.get_bind()).get_columns("operations")}
    if "trace" not in there:
        op.add_column("operations", Column("trace", String(64)))


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
