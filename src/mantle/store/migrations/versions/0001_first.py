"""The first tables."""

from alembic import op

from mantle.store.tables import metadata

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make every table. Later revisions only add, until the last old engine is gone."""
    metadata.create_all(op.get_bind())


def downgrade() -> None:
    """There is nothing before this."""
