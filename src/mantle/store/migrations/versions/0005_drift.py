"""Drift findings, policies and looks."""

from alembic import op

from mantle.store.tables.drift import drift_findings, drift_looks, drift_policies

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables. A database made by this release has them from its first revision on."""
    for table in (drift_findings, drift_policies, drift_looks):
        table.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
