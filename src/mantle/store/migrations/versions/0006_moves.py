"""Moves of resources between stacks."""

from alembic import op

from mantle.store.tables.moves import moves

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    moves.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
