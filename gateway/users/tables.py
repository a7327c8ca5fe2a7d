"""This module owns the tables, as the queries see them; migrations make them.

A test compares the two. Texts are compared byte for byte on every database (collation "C" is what
SQLite does anyway), so that pages have one order everywhere and an index serves ranges of names.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

metadata = MetaData()

_Text = String().with_variant(String(collation="C"), "postgresql")

users = Table(
    "users",
    metadata,
    Column("id", _Text, primary_key=True),
    Column("email", _Text, nullable=False),
    Column("email_folded", _Text, nullable=False),
    Column("name", _Text, nullable=False),
    Column("name_folded", _Text, nullable=False),
    Column("age", Integer),
    Column("role", _Text, nullable=False),
    Column("disabled", Boolean, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("tokens_valid_after_ms", BigInteger, nullable=False),
    Index("users_by_email", "email_folded", unique=True),
    Index("users_by_creation", "created_at_ms", "id"),
    Index("users_by_name", "name_folded", "id"),
    Index("users_by_role", "role", "disabled", "created_at_ms", "id"),
    Index("users_by_disabled", "disabled", "created_at_ms", "id"),
    Index("users_counted", "role", "disabled"),  # so few values that totals read a small index
)

creations = Table(
    "creations",
    metadata,
    Column("key", _Text, primary_key=True),
    Column("fingerprint", _Text, nullable=False),
    Column("user", _Text, nullable=False),  # as it was created, in JSON: it may change or go
    Column("created_at_ms", BigInteger, nullable=False),
    Index("creations_by_age", "created_at_ms"),
)

# What a user has beside it goes with it.

passwords = Table(
    "passwords",
    metadata,
    Column("user_id", _Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("hash", _Text, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", _Text, primary_key=True),
    Column("user_id", _Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("turn", BigInteger, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("agent", _Text, nullable=False),
    Column("address", _Text, nullable=False),
    Index("sessions_by_user", "user_id", "used_at_ms"),
    Index("sessions_by_end", "expires_at_ms"),
)

# What workers have to hear of: somebody's rights or sessions are not what they were.
changes = Table(
    "changes",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), Identity(), primary_key=True),
    Column("subject", _Text, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Index("changes_by_age", "changed_at_ms"),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", _Text, primary_key=True),
    Column("name", _Text, nullable=False),
    Column("digest", _Text, nullable=False),
    Column("previous_digest", _Text),
    Column("previous_until_ms", BigInteger),
    Column("join", _Text, nullable=False),  # patterns of rooms, in JSON
    Column("publish", _Text, nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("used_at_ms", BigInteger),
)

# What is owed; `state` is waiting, done or dead. Whoever holds a job has moved `run_at_ms` to the
# end of the lease, so that one index serves first attempts, later ones, and what the dead left.
jobs = Table(
    "jobs",
    metadata,
    Column("id", _Text, primary_key=True),
    Column("kind", _Text, nullable=False),
    Column("lane", _Text, nullable=False),
    Column("key", _Text),
    Column("body", _Text, nullable=False),  # JSON
    Column("state", _Text, nullable=False),
    Column("run_at_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("holder", _Text),
    Column("error", _Text),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("ended_at_ms", BigInteger),
    Index("jobs_by_turn", "state", "run_at_ms"),
    Index("jobs_by_end", "state", "ended_at_ms"),
    Index("jobs_by_key", "key", unique=True),
)

periods = Table(
    "periods",
    metadata,
    Column("name", _Text, primary_key=True),
    Column("next_at_ms", BigInteger, nullable=False),
)

# An address is verified while it is the one that the user has.
verifications = Table(
    "verifications",
    metadata,
    Column("user_id", _Text, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("email_folded", _Text, nullable=False),
    Column("verified_at_ms", BigInteger, nullable=False),
)

proofs = Table(
    "proofs",
    metadata,
    Column("digest", _Text, primary_key=True),
    Column("user_id", _Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("purpose", _Text, nullable=False),
    Column("email_folded", _Text, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Index("proofs_by_user", "user_id", "purpose"),
    Index("proofs_by_end", "expires_at_ms"),
)

# Rooms that webhooks were told of as occupied, so that each turn is told once, by one worker.
occupied_rooms = Table(
    "occupied_rooms",
    metadata,
    Column("room", _Text, primary_key=True),
    Column("seen_at_ms", BigInteger, nullable=False),
    Index("occupied_rooms_by_age", "seen_at_ms"),
)

# Who somebody is elsewhere: the subject of an OpenID issuer (OpenID Connect Core, section 5.7).
external_identities = Table(
    "external_identities",
    metadata,
    Column("issuer", _Text, primary_key=True),
    Column("subject", _Text, primary_key=True),
    Column("user_id", _Text, ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("used_at_ms", BigInteger, nullable=False),
    Index("external_identities_by_user", "user_id"),
)

# Sign-ins at a provider that have ended: none of them ends twice, on whichever worker.
spent_sign_ins = Table(
    "spent_sign_ins",
    metadata,
    Column("id", _Text, primary_key=True),
    Column("expires_at_ms", BigInteger, nullable=False),
    Index("spent_sign_ins_by_end", "expires_at_ms"),
)

# Who has changed what, in numbers without a gap: so they are given out by the writer, one by one.
audit = Table(
    "audit",
    metadata,
    Column(
        "number",
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("at_ms", BigInteger, nullable=False),
    Column("subject", _Text, nullable=False),
    Column("via", _Text, nullable=False),
    Column("action", _Text, nullable=False),
    Column("whom", _Text, nullable=False),
    Column("details", _Text, nullable=False),  # JSON
    Column("request_id", _Text, nullable=False),
    Column("address", _Text, nullable=False),
    Index("audit_by_time", "at_ms", "number"),
    Index("audit_by_subject", "subject", "number"),
    Index("audit_by_whom", "whom", "number"),
    Index("audit_by_action", "action", "number"),
)

# The last of those numbers, in the only row.
audit_numbers = Table(
    "audit_numbers",
    metadata,
    Column("name", _Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
)
