"""This module owns how Alembic is run: on the connection that it is handed, in one transaction."""

from __future__ import annotations

from alembic import context

from gateway.users.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a column by making the table anew
)
context.run_migrations()
