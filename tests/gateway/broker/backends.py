"""The backends that the contract suite runs over; a new one is a function and a row.

A backend makes brokers of several workers over one store, whose rooms are of the kinds below. The
suite uses nothing but the `Broker` protocol, so time passes as it does for users: kinds with
short times make waiting short.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import pytest

from gateway.broker.contract import Broker
from gateway.broker.memory import MemoryBroker, MemoryRooms
from gateway.broker.redis.broker import RedisBroker
from gateway.settings import RoomKind, Settings
from gateway.settings.redis_url import address_of
from tests.toolbox.redis_server import RedisServer

SHORT_SECONDS: Final = 0.4
SHORT_LENGTH: Final = 5
FEW_VALUES: Final = 3

SETTINGS: Final = Settings(
    room_kinds=(
        RoomKind(pattern="brief:*", history_seconds=SHORT_SECONDS),
        RoomKind(pattern="short:*", history_length=SHORT_LENGTH),
        RoomKind(pattern="expiring:*", expire_seconds=SHORT_SECONDS),
        RoomKind(pattern="forgetful:*", tombstone_seconds=SHORT_SECONDS),
        RoomKind(pattern="few:*", values_limit=FEW_VALUES),
        RoomKind(pattern="plain:*", snapshot=False),
    )
)

MakeBroker = Callable[[], Broker]
Backend = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[MakeBroker]]


@contextlib.asynccontextmanager
async def memory(_request: pytest.FixtureRequest) -> AsyncIterator[MakeBroker]:
    rooms = MemoryRooms(SETTINGS.kind_of)
    yield lambda: MemoryBroker(rooms, expire_every_seconds=0.02)


@contextlib.asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[MakeBroker]:
    server: RedisServer = request.getfixturevalue("redis_server")
    address, prefix = address_of(server.url), secrets.token_hex(4)
    yield lambda: RedisBroker(address, SETTINGS.kind_of, prefix=prefix, expire_every_seconds=0.02)


BACKENDS: Final[dict[str, Backend]] = {"memory": memory, "redis": redis}
