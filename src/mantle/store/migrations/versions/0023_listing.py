"""Lists of stacks are read in their order: newest first, by project."""

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index. A database made by this release has it from its first revision on."""
    listed = sa.text("deleted_at IS NULL AND parent_id IS NULL")
    op.create_index(
        "stacks_listed",
        "stacks",
        ["project_id", "created_at", "id"],
        sqlite_where=listed,
        postgresql_where=listed,
        if_not_exists=True,
    )


def downgrade() -> None:
    """Nothing is taken away: an older release does not look at it."""
