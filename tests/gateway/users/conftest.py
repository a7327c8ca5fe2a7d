"""Fixtures for the tests of the user store: each runs over every database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.users.database import Database
from gateway.users.sql import SqlUserStore
from tests.gateway.users.backends import BACKENDS, opened


@pytest.fixture(params=sorted(BACKENDS))
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, without any tables."""
    url: str = BACKENDS[request.param](request, "paceline_users")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of the newest schema, without any users."""
    database = await opened(database_url)
    yield database
    await database.stop()


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
