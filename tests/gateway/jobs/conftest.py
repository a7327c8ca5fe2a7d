"""Fixtures for the tests of jobs: each runs over every database."""

from __future__ import annotations

import pytest

from gateway.backends import Stores, stores_of
from gateway.users.database import Database
from gateway.users.sql_jobs import SqlJobStore


@pytest.fixture
def store(database: Database) -> SqlJobStore:
    return SqlJobStore(database)


@pytest.fixture
def stores(database: Database) -> Stores:
    return stores_of(database)
