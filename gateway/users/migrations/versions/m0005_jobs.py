"""Jobs, the periods of those that come again and again, and rooms that are told of by them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.create_table(
        "jobs",
        sa.Column("id", text, primary_key=True),
        sa.Column("kind", text, nullable=False),
        sa.Column("lane", text, nullable=False),
        sa.Column("key", text),
        sa.Column("body", text, nullable=False),
        sa.Column("state", text, nullable=False),
        sa.Column("run_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("holder", text),
        sa.Column("error", text),
        sa.Column("created_at_ms", sa.BigInteger(), nullable=False),
        sa.Column("ended_at_ms", sa.BigInteger()),
    )
    op.create_index("jobs_by_turn", "jobs", ["state", "run_at_ms"])
    op.create_index("jobs_by_end", "jobs", ["state", "ended_at_ms"])
    op.create_index("jobs_by_key", "jobs", ["key"], unique=True)
    op.create_table(
        "periods",
        sa.Column("name", text, primary_key=True),
        sa.Column("next_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "occupied_rooms",
        sa.Column("room", text, primary_key=True),
        sa.Column("seen_at_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("occupied_rooms_by_age", "occupied_rooms", ["seen_at_ms"])


def downgrade() -> None:
    """Drop them: what was owed is not done any more."""
    op.drop_table("occupied_rooms")
    op.drop_table("periods")
    op.drop_table("jobs")
