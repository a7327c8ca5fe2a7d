"""The trail of what concerns security."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "audit",
        sa.Column("number", number, primary_key=True, autoincrement=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("subject", text, nullable=False),
        sa.Column("via", text, nullable=False),
        sa.Column("action", text, nullable=False),
        sa.Column("whom", text, nullable=False),
        sa.Column("details", text, nullable=False),
        sa.Column("request_id", text, nullable=False),
        sa.Column("address", text, nullable=False),
    )
    op.create_index("audit_by_time", "audit", ["at_ms", "number"])
    op.create_index("audit_by_subject", "audit", ["subject", "number"])
    op.create_index("audit_by_whom", "audit", ["whom", "number"])
    op.create_index("audit_by_action", "audit", ["action", "number"])
    op.create_table(
        "audit_numbers",
        sa.Column("name", text, primary_key=True),
        sa.Column("last", sa.BigInteger(), nullable=False),
    )


def downgrade() -> None:
    """Drop it: nobody can tell any more who has changed what."""
    op.drop_table("audit_numbers")
    op.drop_table("audit")
