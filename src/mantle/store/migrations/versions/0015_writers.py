"""What each process knows its last commit by."""

from alembic import op

from mantle.store.tables.writers import writers

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    writers.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
