"""The format of operations, and which release an engine is of."""

from alembic import op
from sqlalchemy import Column, Integer, String, inspect

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

ADDED = (
    ("operations", Column("format", Integer)),
    ("engines", Column("release", String(32))),
    ("engines", Column("format", Integer)),
)


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    connection = op.get_bind()
    for table, column in ADDED:
        known = {each["name"] for each in inspect(connection).get_columns(table)}
        if column.name not in known:
            op.add_column(table, column._copy())  # noqa: SLF001 - the public one is deprecated


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
