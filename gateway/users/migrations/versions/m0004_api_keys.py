"""API keys of backends."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "api_keys",
        sa.Column("id", text, primary_key=True),
        sa.Column("name", text, nullable=False),
        sa.Column("digest", text, nullable=False),
        sa.Column("previous_digest", text),
        sa.Column("previous_until_ms", sa.BigInteger()),
        sa.Column("join", text, nullable=False),
        sa.Column("publish", text, nullable=False),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("expires_at_ms", sa.BigInteger()),
        sa.Column("used_at_ms", sa.BigInteger()),
    )


def downgrade() -> None:
    """Drop it: backends have to be given new keys."""
    op.drop_table("api_keys")
