"""Signatures of requests that were carried out, so that none is twice."""

from alembic import op

from mantle.store.tables.identity import used_signatures

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table. A database made by this release has it from its first revision on."""
    used_signatures.create(op.get_bind(), checkfirst=True)


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
