"""Software configurations, which databases made before there were any have not had until now."""

from alembic import op

from mantle.store.tables.software import software_configs, software_deployments

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables where they are missing."""
    software_configs.create(op.get_bind(), checkfirst=True)
    software_deployments.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
