"""Templates that nothing names any more are forgotten after a while."""

from alembic import op
from sqlalchemy import Boolean, Column, Float, inspect

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    known = {each["name"] for each in inspect(op.get_bind()).get_columns("sources")}
    for column in (Column("loose", Boolean), Column("loose_at", Float)):
        if column.name not in known:
            op.add_column("sources", column)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
