"""What snapshots of stacks keep of volumes and servers."""

from alembic import op
from sqlalchemy import Column, String, inspect

from mantle.store.tables.snapshots import snapshot_contents

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    connection = op.get_bind()
    snapshot_contents.create(connection, checkfirst=True)
    known = {column["name"] for column in inspect(connection).get_columns("operations")}
    if "snapshot_id" not in known:
        op.add_column("operations", Column("snapshot_id", String(36)))


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
