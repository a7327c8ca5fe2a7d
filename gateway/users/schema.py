"""This module owns the schema's versions: which one a database has, and the ways to another one."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

_FOLDER: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7_206_151_403  # any number, so long as nobody else in the database takes it
# Whoever comes after a migration that waits for a table waits behind it. So it gives up before
# they do, each of whom has two seconds; and later than PostgreSQL takes to stop its own autovacuum
# for it, which is a second.
TABLE_LOCK_SECONDS: Final = 1.5


class RevisionUnknown(Exception):
    """There is no such version of the schema; the message says which ones there are."""


def revisions() -> list[str]:
    """Every version of the schema, the oldest first."""
    scripts = ScriptDirectory.from_config(_config())
    return [script.revision for script in reversed(list(scripts.walk_revisions()))]


def revision_of(connection: Connection) -> str | None:
    """The version that the database has; None: it has none of our tables."""
    return MigrationContext.configure(connection).get_current_revision()


def is_behind(connection: Connection) -> bool:
    """Whether migrations are missing. A version that is not known here is a newer one, and fine.

    A migration only adds what older code does not mind, so that old and new gateways may run side
    by side while one takes the place of the other.
    """
    known = revisions()
    present = revision_of(connection)
    return present is None or present in known[:-1]


def migrate(connection: Connection, revision: str = "head") -> tuple[str | None, str | None]:
    """Go to a version, forward or back: (from, to); raises `RevisionUnknown`.

    `head` is the newest, `base` is none at all. All of it is one transaction, the caller's. Two
    that migrate at once do so one after the other. On PostgreSQL a statement may take any time,
    and a table that somebody else keeps is waited for `TABLE_LOCK_SECONDS`.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        # As long as it takes: nobody waits behind who waits for the turn of another migration.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})
        lock_ms = round(TABLE_LOCK_SECONDS * 1000)
        connection.execute(text(f"SET LOCAL lock_timeout = {lock_ms}"))
    before = revision_of(connection)
    config = _config()
    config.attributes["connection"] = connection
    known = revisions()
    if revision not in {*known, "head", "base"}:
        raise RevisionUnknown(f"There is no schema {revision!r}; there are {', '.join(known)}.")
    is_backward = revision == "base" or (
        revision != "head" and before in known and known.index(revision) < known.index(before)
    )
    try:
        (command.downgrade if is_backward else command.upgrade)(config, revision)
    except CommandError as error:
        raise RevisionUnknown(
            f"The database has schema {before!r}, which is of a newer version than this one."
        ) from error
    return before, revision_of(connection)


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
