"""Operations that look at what is there before they are planned."""

from alembic import op
from sqlalchemy import Boolean, Column, inspect

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. A database made by this release has it from its first revision on."""
    connection = op.get_bind()
    known = {column["name"] for column in inspect(connection).get_columns("operations")}
    if "observes" not in known:
        op.add_column("operations", Column("observes", Boolean))


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
