"""Which e-mail addresses are verified, and the tokens that mails have brought."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "verifications",
        sa.Column("user_id", text, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("email_folded", text, nullable=False),
        sa.Column("verified_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "proofs",
        sa.Column("digest", text, primary_key=True),
        sa.Column("user_id", text, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("purpose", text, nullable=False),
        sa.Column("email_folded", text, nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("proofs_by_user", "proofs", ["user_id", "purpose"])
    op.create_index("proofs_by_end", "proofs", ["expires_at_ms"])


def downgrade() -> None:
    """Drop them: mails that are on their way lead nowhere, and addresses are not verified."""
    op.drop_table("proofs")
    op.drop_table("verifications")
