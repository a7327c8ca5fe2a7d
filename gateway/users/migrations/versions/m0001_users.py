"""Users, and the creations that happen once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "users",
        sa.Column("id", text, primary_key=True),
        sa.Column("email", text, nullable=False),
        sa.Column("email_folded", text, nullable=False),
        sa.Column("name", text, nullable=False),
        sa.Column("name_folded", text, nullable=False),
        sa.Column("age", sa.Integer()),
        sa.Column("role", text, nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("updated_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("tokens_valid_after_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("users_by_email", "users", ["email_folded"], unique=True)
    op.create_index("users_by_creation", "users", ["created_at_ms", "id"])
    op.create_index("users_by_name", "users", ["name_folded", "id"])
    op.create_index("users_by_role", "users", ["role", "disabled", "created_at_ms", "id"])
    op.create_index("users_by_disabled", "users", ["disabled", "created_at_ms", "id"])
    op.create_index("users_counted", "users", ["role", "disabled"])
    op.create_table(
        "creations",
        sa.Column("key", text, primary_key=True),
        sa.Column("fingerprint", text, nullable=False),
        sa.Column("user", text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("creations_by_age", "creations", ["created_at_ms"])


def downgrade() -> None:
    """Drop them, with everybody in them."""
    op.drop_table("creations")
    op.drop_table("users")
