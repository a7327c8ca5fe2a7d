"""Who people are at OpenID providers, and the sign-ins there that have ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "external_identities",
        sa.Column("issuer", text, primary_key=True),
        sa.Column("subject", text, primary_key=True),
        sa.Column("user_id", text, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("external_identities_by_user", "external_identities", ["user_id"])
    op.create_table(
        "spent_sign_ins",
        sa.Column("id", text, primary_key=True),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("spent_sign_ins_by_end", "spent_sign_ins", ["expires_at_ms"])


def downgrade() -> None:
    """Drop them: people are not recognised by their providers any more."""
    op.drop_table("spent_sign_ins")
    op.drop_table("external_identities")
