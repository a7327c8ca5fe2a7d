"""Fixtures for the tests of the user store: each runs over every database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.users.database import Database
from gateway.users.sql import SqlUserStore


@pytest.fixture
def store(database: Database) -> SqlUserStore:
    return SqlUserStore(database)


@pytest.fixture
async def other_store(database: Database, database_url: str) -> AsyncIterator[SqlUserStore]:
    """The store of another worker, over the same database."""
    other = Database(database_url)
    await other.start()
    yield SqlUserStore(other)
    await other.stop()
