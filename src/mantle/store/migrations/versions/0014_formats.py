"""The format of operations, and which release an engine is of."""

from typing import Any

from alembic import op
from sqlalchemy import Column, Integer, String, inspect

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    added: tuple[tuple[str, Column[Any]], ...] = (
        ("operations", Column("format", Integer)),
        ("engines", Column("release", String(32))),
        ("engines", Column("format", Integer)),
    )
    for table, column in added:
        known = {each["name"] for each in inspect(op.get_bind()).get_columns(table)}
        if column.name not in known:
            op.add_column(table, column)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
