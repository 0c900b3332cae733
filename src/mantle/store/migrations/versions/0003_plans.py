"""Saved plans, guards of stacks, policy rules; who asked for an operation."""

from alembic import op
from sqlalchemy import Column, inspect

from mantle.store.tables.base import Json
from mantle.store.tables.plans import policy_rules, saved_plans, stack_guards

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add them. A database made by this release has them from its first revision on."""
    connection = op.get_bind()
    for table in (saved_plans, stack_guards, policy_rules):
        table.create(connection, checkfirst=True)
    known = {column["name"] for column in inspect(connection).get_columns("operations")}
    if "requester" not in known:
        op.add_column("operations", Column("requester", Json))


def downgrade() -> None:
    """Nothing is taken away: an older engine does not look at them."""
