"""Passwords, and the sessions of those who have signed in with one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "passwords",
        sa.Column("user_id", text, sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("hash", text, nullable=False),
        sa.Column("changed_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "sessions",
        sa.Column("id", text, primary_key=True),
        sa.Column("user_id", text, sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("used_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("agent", text, nullable=False),
        sa.Column("address", text, nullable=False),
    )
    op.create_index("sessions_by_user", "sessions", ["user_id", "used_at_ms"])
    op.create_index("sessions_by_end", "sessions", ["expires_at_ms"])


def downgrade() -> None:
    """Drop them: everybody has to be given a password again."""
    op.drop_table("sessions")
    op.drop_table("passwords")
