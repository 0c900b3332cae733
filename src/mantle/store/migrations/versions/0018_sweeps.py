"""Sweeps: one verb over many servers."""

from alembic import op

from mantle.store.tables.sweeps import sweep_targets, sweeps

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables. A database made by this release has them from its first revision on."""
    sweeps.create(op.get_bind(), checkfirst=True)
    sweep_targets.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
