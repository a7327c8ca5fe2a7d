"""Fixtures for tests of the hub, two workers over the same rooms; and a database of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.broker.memory import MemoryRooms
from gateway.users.database import Database
from tests.gateway.house import SETTINGS, House
from tests.gateway.users.backends import BACKENDS, opened


@pytest.fixture
async def houses() -> AsyncIterator[list[House]]:
    rooms = MemoryRooms(SETTINGS.kind_of)
    houses = [House(rooms) for _ in range(2)]
    for house in houses:
        await house.hub.start()
    yield houses
    for house in houses:
        assert house.peers.sent_to_strangers == []
        await house.hub.stop()


@pytest.fixture
def house(houses: list[House]) -> House:
    return houses[0]


@pytest.fixture
def elsewhere(houses: list[House]) -> House:
    return houses[1]


@pytest.fixture(params=sorted(BACKENDS))
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database, without any tables."""
    url: str = BACKENDS[request.param](request, "paceline_tests")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A database of the newest schema, with nothing in it."""
    database = await opened(database_url)
    yield database
    await database.stop()
