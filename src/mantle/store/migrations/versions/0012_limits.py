"""Limits of single projects."""

from alembic import op

from mantle.store.tables.limits import project_limits

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    project_limits.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
