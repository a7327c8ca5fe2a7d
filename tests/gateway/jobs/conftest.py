"""Fixtures for the tests of jobs: each runs over every database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.backends import Stores, stores_of
from gateway.users.database import Database
from gateway.users.sql_jobs import SqlJobStore
from tests.gateway.users.backends import BACKENDS, opened


@pytest.fixture(params=sorted(BACKENDS))
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, without any tables."""
    url: str = BACKENDS[request.param](request, "paceline_jobs")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of the newest schema, with nothing in it."""
    database = await opened(database_url)
    yield database
    await database.stop()


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def stores(database: Database) -> Stores:
    return stores_of(database)
