"""Event sinks."""

from alembic import op

from mantle.store.tables.sinks import event_sinks

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    event_sinks.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
