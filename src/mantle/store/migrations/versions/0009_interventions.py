"""What people ask of steps, how often steps ask their cloud, and what is stuck."""

from alembic import op

from mantle.store.tables.interventions import interventions, looks, stuck

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables. A database made by this release has them from its first revision on."""
    for table in (interventions, looks, stuck):
        table.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
