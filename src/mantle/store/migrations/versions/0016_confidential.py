"""Whether a stack may hold a secret; null, of stacks made before, counts as yes."""

from alembic import op
from sqlalchemy import Boolean, Column, inspect

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add it. A database made by this release has it from its first revision on."""
    known = {column["name"] for column in inspect(op.get_bind()).get_columns("stacks")}
    if "confidential" not in known:
        op.add_column("stacks", Column("confidential", Boolean))


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at it."""
