"""Fixtures for tests of the hub: two workers over the same rooms."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.broker.memory import MemoryRooms
from tests.gateway.house import SETTINGS, House


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
