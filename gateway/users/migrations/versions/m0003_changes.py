"""Changes that every worker has to hear of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "changes",
        sa.Column("number", number, sa.Identity(), primary_key=True),
        sa.Column("subject", text, nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("changes_by_age", "changes", ["changed_at_ms"])


def downgrade() -> None:
    """Drop it: workers no longer hear of what others change."""
    op.drop_table("changes")
