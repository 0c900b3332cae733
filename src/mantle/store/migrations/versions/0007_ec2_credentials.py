"""EC2 credentials: access keys for signed requests."""

from alembic import op

from mantle.store.tables.identity import ec2_credentials

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    ec2_credentials.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
